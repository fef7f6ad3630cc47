# Tracebacks of failing imports look as they do without the auditor.
import os
import traceback

for name, text in (("broken", "1 / 0"), ("misspelt", "def"), ("lacks", "import nothing_of_this_name")):
    with open(name + ".py", "w") as file:
        file.write(text)
    try:
        __import__(name)
    except Exception:  # noqa: BLE001
        traceback.print_exc()
    os.unlink(name + ".py")
import nothing_of_this_name  # noqa: E402, F401
