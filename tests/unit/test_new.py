"""What `python -m chassis new` writes, and what it refuses to write."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from chassis.choreography.loading import packages
from chassis.cli.new import create
from chassis.errors import NewServiceError
from stack.services import EACH

ROOT = Path(__file__).parents[2]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder with the steps of today's services."""
    for package in ("contracts", *packages(ROOT)):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def everything(tree: Path) -> dict[Path, bytes]:
    """All files by their path."""
    return {path: path.read_bytes() for path in tree.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("after", "heard", "lost"),
    [
        ("payment.pay", "payment.Paid", "seat.Rejected"),
        ("payment.request", "checkout.Requested", "point.Rejected | point.Refunded | point.Unspent"),
        ("payment.publish", "payment.Published", "reservation.Expired | reservation.GivenUp"),
        ("seat.hold", "seat.Held", "payment.PublishRejected | payment.Cancelled"),
    ],
)
def test_a_new_step_hears_what_its_neighbours_say(tree: Path, after: str, heard: str, lost: str) -> None:
    """It goes on where the step before it ended, and is undone by what would have undone that one."""
    create("raffle", after, tree)

    steps = (tree / "raffle_svc/steps.py").read_text()
    assert f": {heard},\n    entry: RaffleEntry | None" in steps
    assert f"    lost: {lost},\n" in steps


def test_without_a_place_it_comes_before_the_pivot(tree: Path) -> None:
    """The last step that can still refuse is where a new one does least harm."""
    previous, _ = create("raffle", None, tree)

    assert previous.queue == "payment.pay"


def test_it_takes_the_next_port(tree: Path) -> None:
    """The port after those of the others is free."""
    create("gift_card", None, tree)

    assert f"port: int = Field(default={EACH[-1].port + 1}," in (tree / "gift_card_svc/settings.py").read_text()


@pytest.mark.parametrize("name", ["a", "gift_card", "zzzzzzz_zzzzzzz"])
@pytest.mark.parametrize("after", ["payment.pay", "payment.publish", "seat.hold"])
def test_what_it_writes_passes_the_lint(tree: Path, name: str, after: str) -> None:
    """Whatever the name and the place, nobody has to format what was written."""
    shutil.copy(ROOT / "pyproject.toml", tree)
    # Imports are sorted among ours only when what they name is there.
    for folder in ("chassis", "tests/unit"):
        shutil.copytree(ROOT / folder, tree / folder, ignore=shutil.ignore_patterns("__pycache__"))
    _, paths = create(name, after, tree)

    written = [str(path) for path in paths if path.suffix == ".py"]
    for command in (["check"], ["format", "--check"]):
        words = [sys.executable, "-m", "ruff", *command, "--no-cache", *written]
        done = subprocess.run(words, cwd=tree, capture_output=True, text=True, check=False)  # noqa: S603  # ours
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("seat", "exists already"),
        ("checkout", "exists already"),
        ("Coupon", "cannot name a service"),
        ("1coupon", "cannot name a service"),
        ("gift-card", "cannot name a service"),
        ("../coupon", "cannot name a service"),
        ("coupon_svc", "cannot name a service"),
        ("x" * 16, "cannot name a service"),
        ("", "cannot name a service"),
        ("class", "means something in Python"),
        ("match", "means something in Python"),
        ("list", "means something in Python"),
        ("admin", "means something to the frame"),
        ("platform", "means something to the frame"),
        ("pg_coupon", "means something to the frame"),
    ],
)
def test_a_name_that_would_do_harm_is_refused(tree: Path, name: str, why: str) -> None:
    """Nothing is written under a name that is taken, that Python cannot import, or that means something else."""
    before = everything(tree)

    with pytest.raises(NewServiceError, match=why):
        create(name, None, tree)

    assert everything(tree) == before


@pytest.mark.parametrize(
    "after", ["seat.reserve", "payment.complete", "reservation.open", "point.refund", "nothing.there"]
)
def test_a_place_that_nothing_undoes_is_refused(tree: Path, after: str) -> None:
    """A step that may refuse has no place where no event leads back: after the pivot, or on the way back itself."""
    with pytest.raises(NewServiceError, match=r"say --after with one of .*reservation\.confirm"):
        create("raffle", after, tree)


def test_a_file_that_is_there_is_not_overwritten(tree: Path) -> None:
    """A test that somebody wrote for a service that is gone stays."""
    (tree / "tests/unit").mkdir(parents=True)
    kept = tree / "tests/unit/test_raffle_steps.py"
    kept.write_text("kept")

    with pytest.raises(NewServiceError, match="exists"):
        create("raffle", None, tree)

    assert kept.read_text() == "kept"
    assert not (tree / "raffle_svc").exists()
