"""Archiving never decides the signature's state, goes on for days, and keeps only whole documents."""

import shutil
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from activities.pdf import NotAPdfError, check_pdf
from tests.workflows.office import Handle, Office
from workflows.agreement import AgreementWorkflow
from workflows.messages import Outcome, Stage
