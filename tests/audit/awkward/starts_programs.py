# waits: 5
import os
import subprocess
import sys

program = "import torch; torch.wait(); print('child')"
sys.stdout.flush()
os.system(f'{sys.executable} -c "{program}"')
print(os.popen(f'{sys.executable} -c "{program}"').read())
os.waitpid(os.posix_spawn(sys.executable, [sys.executable, "-c", program], os.environ), 0)
os.spawnl(os.P_WAIT, sys.executable, sys.executable, "-c", program)
print(subprocess.run(["sh", "-c", f'exec {sys.executable} -c "{program}"'], capture_output=True, text=True).stdout)
