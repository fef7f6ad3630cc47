"""Support of several contract tests: functions of real releases, ranks, and programs that run in processes of their own."""
