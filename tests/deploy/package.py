"""Packages the chart into a folder: package.py FOLDER."""

import asyncio
import sys
from pathlib import Path

import helm_sdkpy
from helm import CHART
from helm_sdkpy.chart import Package

folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
print(asyncio.run(Package(helm_sdkpy.Configuration()).run(str(CHART), str(folder))))
