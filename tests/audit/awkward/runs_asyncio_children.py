# waits: 2
import asyncio
import sys

import torch


async def main():
    torch.wait()
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", "import torch; torch.wait(); print(5)", stdout=-1)
    print(await child.communicate(), child.returncode)


asyncio.run(main())
