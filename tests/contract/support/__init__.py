"""What several contract tests use: functions of real releases, ranks, and programs that run in processes of their own."""
