"""The command line: ``rnnreport …``, ``python -m rnnreport …`` and, through it, ``make …``."""

from __future__ import annotations

import errno
import glob
import logging
import os
import shlex
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rnnreport import build, checksums, corpora, environment, grid, locks, origin, pdf, runs, sweep, system, vendor
from rnnreport.configuration import CHECKPOINT
from rnnreport.errors import ReaderError
from rnnreport.experiments import recorded
from rnnreport.experiments.text_run import TextRun
from rnnreport.outputs import destination, keep_others
from rnnreport.parameters import ParameterError, located
from rnnreport.provenance import PROJECT
from rnnreport.shown import brief
from rnnreport.values import read
from rnnreport.words import listed

if TYPE_CHECKING:  # what takes long to import is imported by the commands that need it
    import pandas as pd

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="A 2018 report on recurrent networks, trained anew.",
)
DISK = (  # and what the system says of disks
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM, errno.ENOLCK),
    *(errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG),
)
SAME = "; the same command goes on from here"  # what is said where one is stopped, but for these
AGAIN = {"serve": "", "bench": "", "test": "", "tidy": "", "train": f"; with --resume {SAME[2:]}"}
FOLDERS = (corpora.DATA_DIR, origin.RUNS_DIR, "RNNREPORT_NATIVE_DIR")  # variables that name them


def _experiment(name: str) -> Callable[..., Any]:
    """The function ``module.name`` of the experiments, imported when it is called: with torch, that takes seconds."""
    module, _, function = name.partition(".")
    return lambda *arguments: getattr(import_module(f"rnnreport.experiments.{module}"), function)(*arguments)


RECORDS: dict[str, Callable[[Any], dict[str, Callable[[], pd.DataFrame]]]] = {
    "01c_cell_path": _experiment("cell_path.record"),
    "02_rnn_versus_lstm": _experiment("rnn_versus_lstm.record"),
    "03_temporal_gate": _experiment("temporal_gate.record"),
    "03b_comparisons": _experiment("comparisons.record"),
    "04_text_generation": _experiment("text.record"),
}
# What `rnnreport train` trains: a run of so many steps and a seed, and how many steps there are by default.
TRAININGS: dict[str, tuple[Callable[[int, int], TextRun], int, Path]] = {
    "text": (_experiment("text_training.long_run"), 500_000, PROJECT / "data" / "text-500k"),
    "text-short": (_experiment("text.short_run"), 20_000, PROJECT / "data" / "text-short"),
}

ELSEWHERE = "another --folder starts anew"

# Options that several commands have.
Given = Annotated[
    list[str] | None,
    typer.Option(
        "-p",
        "--parameter",
        metavar="NAME VALUE",
        help="Many times. VALUE is YAML 1.2. Files are looked for in the current folder, then in the project.",
    ),
]

Profile = Annotated[str, typer.Option(help="The parameter set to start from.")]
Scheduler = Annotated[
    str | None, typer.Option(metavar="tcp://HOST:PORT", help="A running Dask cluster, in place of this machine.")
]
Slurm = Annotated[bool, typer.Option("--slurm", help="Jobs of SLURM, in place of this machine.")]
Workers = Annotated[
    int | None,
    typer.Option(min=1, max=sweep.MOST, help=f"Processes; one a core by default. SLURM: jobs, {sweep.SLURM_JOBS}."),
]
Wait = Annotated[float, typer.Option(min=1, max=10**7, help="Seconds to wait for a worker, as in SLURM's queue.")]
SLURM_LOGS = build.BUILD / "slurm"


def main() -> None:
    """Run the command line; a mistake of the caller's is one sentence and the exit status 2."""
    environment.settle()
    if sys.getfilesystemencoding() != "utf-8":  # names would be others to the processes that are started from here
        system.become([sys.executable, "-X", "utf8", *sys.orig_argv[1:]])  # the first -X counts
    for number in system.stop_signals():  # nothing half done is left, and no kernel
        signal.signal(number, _stop)
    try:
        _check_surroundings()
        app(_joined(sys.argv[1:]))
    except ReaderError as error:  # anything else is a bug and keeps its traceback
        print(f"rnnreport: {error}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        if error.errno not in DISK:
            raise
        print(f"rnnreport: {error.strerror}: {error.filename or 'nothing more can be written'}", file=sys.stderr)
        sys.exit(2)
    except SystemExit as end:
        if end.code in (129, 130, 143):  # of SIGHUP, Ctrl-C and SIGTERM
            print(f"rnnreport: stopped{AGAIN.get(''.join(sys.argv[1:2]), SAME)}", file=sys.stderr)
        raise


def _stop(number: int, _: object) -> None:
    """End the command from wherever it is; what libraries would say of what ends on the way is no news."""
    logging.disable()
    warnings.simplefilter("ignore")
    sys.exit(128 + number)


def _check_surroundings() -> None:
    """Refuse names that notebooks cannot hold, and settings that no command can work with. Raises ParameterError."""
    try:
        here = os.getcwd()
    except FileNotFoundError:
        raise ParameterError("the current folder is not there any more; change to another") from None
    names = {"the current folder": here, "the project's folder": str(PROJECT)}
    names |= {name: os.environ[name] for name in FOLDERS if os.environ.get(name)}
    for what, name in [*names.items(), *(("the command line", word) for word in sys.argv[1:])]:
        if not name.isprintable() and any("\ud800" <= character <= "\udfff" for character in name):
            raise ParameterError(f"{what} is not UTF-8, which names and values must be here: {name!r}")
    for variable in FOLDERS:
        if variable in names:
            folder = Path(os.path.expanduser(names[variable])).absolute()  # kernels run in book/, workers elsewhere
            if os.path.exists(folder) and not os.path.isdir(folder):
                raise ParameterError(f"{variable} must name a folder, and {folder} is none")
            os.environ[variable] = str(folder)
    sweep.cores()
    sweep.scheduler_asked_for()


def _check_writable(*folders: Path) -> None:
    """Raise SweepError where nothing can be written into these folders or the store of runs, or DamagedError."""
    for folder in (origin.store(), *folders):
        sweep.check_folder(folder)
        checksums.check_folder(folder)


def _named(chapter: str) -> str:
    """The name of a chapter, given by that or by a path to its notebook. Raises ParameterError for another notebook."""
    name = Path(chapter).name.removesuffix(".ipynb")
    own = build.BOOK / f"{name}.ipynb"
    if os.path.isfile(chapter) and os.path.exists(own) and not os.path.samefile(chapter, own):
        raise ParameterError(f"{chapter} is not the book's own notebook, and only those are run; papermill runs others")
    return name


def _given(chapter: str, profile: str, parameter: list[str] | None) -> dict[str, Any]:
    """The chapter's parameters in that profile, and over them the given ones. Raises ParameterError."""
    values = build.parameters(chapter, profile)
    seen = set()
    for name, _, given in (pair.partition("=") for pair in parameter or []):
        if name in seen:
            raise ParameterError(f"{name} is given twice by -p; once is enough")
        seen.add(name)
        try:
            values[name] = given if isinstance(values.get(name, ""), str) else read(given)
        except ParameterError as error:
            raise ParameterError(f"{chapter}: {name}: {error}") from None
    return values


def _checked(chapter: str, values: dict[str, Any]) -> dict[str, Any]:
    """The values, which hold wherever the chapter runs. Raises ParameterError."""
    for name in build.CHAPTERS[chapter].names_of_paths():
        value = values.get(name)
        if isinstance(value, str) and value not in ("", corpora.SHAKESPEARE, corpora.TINY):
            path = located(value).absolute()
            if os.path.exists(path) and path != PROJECT / value:  # which every process finds
                values[name] = str(path)
    build.check(chapter, values)
    return values


def _joined(arguments: list[str]) -> list[str]:
    """``-p NAME VALUE``, as papermill has it, to the ``-p NAME=VALUE`` that typer can read."""
    joined = []
    rest = iter(arguments)
    for argument in rest:
        joined.append(argument)
        if argument == "--":  # what follows is another program's
            break
        if argument in ("-p", "--parameter"):
            name, value = next(rest, None), next(rest, None)
            if name is None or value is None:
                raise ParameterError(f"{argument} takes two words, a parameter's name and its value")
            if not name.isidentifier():
                raise ParameterError(f"{argument} takes two words, a parameter's name and its value, not {name!r}")
            joined.append(f"{name}={value}")
    return [*joined, *rest]


@app.command()
def book(profile: Annotated[str, typer.Option(help="A parameter set of book/profiles.yml.")] = "report") -> None:
    """Run the chapters that need it and build the book."""
    started = time.monotonic()
    _check_writable(build.BUILD)
    index = build.book(profile)
    print(f"The book is at {index} ({time.monotonic() - started:.0f} s)")


@app.command()
def claims(profile: Annotated[str, typer.Option(help="A parameter set of book/profiles.yml.")] = "report") -> None:
    """Judge all claims anew, on stored trainings, and fail where the built book says otherwise."""
    _check_writable(build.BUILD)
    verdicts, differ = build.verdicts(profile), []
    for stored, now in verdicts:
        before, after = (verdict.verdict + ", exploratory" * verdict.exploratory for verdict in (stored, now))
        print(f"{now.id}: {after}{': the claim was fixed after its runs' * now.exploratory}")
        if before != after:
            differ.append(f"{now.id} ({before})")
    if differ:
        raise build.BuildError(f"the built book says otherwise of {listed(differ)}; `make book` renews it")


@app.command("pdf")
def print_book(
    profile: Annotated[str, typer.Option(help="A parameter set of book/profiles.yml.")] = "report",
    output: Annotated[
        str | None, typer.Option("-o", "--output", help="A folder, or the file if it ends in .pdf.")
    ] = None,
) -> None:
    """Print the book into one PDF file by headless Chromium; what has changed of it is built first."""
    file = destination(output, build.BUILD / "rnnreport.pdf", ".pdf", pdf.is_own)
    _check_writable(build.BUILD, file.parent)
    browser = pdf.chromium()
    with locks.alone(file):
        index = build.book(profile)
        print("Printing the pages", flush=True)
        pdf.write(index.parent, file, browser)
    print(f"The printed book: {file}")


@app.command()
def run(
    chapter: Annotated[str, typer.Argument(help="A notebook of book/, such as 02_rnn_versus_lstm.")],
    parameter: Given = None,
    profile: Profile = "quick",
    output: Annotated[
        str | None, typer.Option("-o", "--output", help="A folder, or the executed notebook if it ends in .ipynb.")
    ] = None,
) -> None:
    """Run one chapter at other parameters; its figures are left beside the executed notebook as SVG."""
    chapter = _named(chapter)
    values = _checked(chapter, _given(chapter, profile, parameter))
    notebook = destination(output, build.BUILD / "run" / f"{chapter}.ipynb", ".ipynb", build.is_executed)
    _check_writable(notebook.parent)
    if output:
        keep_others(notebook.with_suffix(build.FAILED), build.is_executed)
        for figure in notebook.parent.glob(f"{glob.escape(notebook.stem)}-figure-*.svg"):
            keep_others(figure, build.is_figure)
    build.settle_text(values)
    build.execute(chapter, values, notebook)
    print(f"Executed notebook: {notebook}")
    for figure in build.export_figures(notebook):
        print(f"Figure: {figure}")


@app.command("sweep")
def sweep_chapter(
    chapter: Annotated[str, typer.Argument(help="A notebook of book/, such as 02_rnn_versus_lstm.")],
    grid_words: Annotated[
        list[str] | None,
        typer.Option(
            "--grid", metavar="NAME=VALUES", help="lengths=5,10, seed=0..4 or lengths=[[5,10],[20]]; many times."
        ),
    ] = None,
    parameter: Given = None,
    profile: Profile = "quick",
    output: Annotated[
        str | None, typer.Option("-o", "--output", help="The folder, in place of _build/sweep/<chapter>.")
    ] = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    slurm: Slurm = False,
    wait: Wait = sweep.WAIT,
) -> None:
    """Run one chapter over a grid of parameters, on this machine or on many: a notebook and a row of a table a run."""
    chapter = _named(chapter)
    values = _given(chapter, profile, parameter)
    fixed = {name.partition("=")[0] for name in parameter or []}
    axes = grid.points(grid_words or [], values)
    if both := sorted(fixed & set(axes[0])):
        raise ParameterError(f"{both[0]} is given by -p and by --grid; one of them is enough")
    points = [_checked(chapter, {**values, **point}) for point in axes]
    folder = destination(output, build.BUILD / "sweep" / chapter)
    if output:
        keep_others(folder / "sweep.csv", partial(build.is_sweep_table, chapter=chapter))
    _check_writable(folder)
    with sweep.on(scheduler, slurm, workers, wait, SLURM_LOGS):
        table = build.sweep_chapter(chapter, points, folder)
    brief = [name for name in table if name in axes[0] or name in ("status", "seconds", "error")]
    print(table[brief].to_string(index=False))
    print(f"Executed notebooks: {folder}\nTable: {folder / 'sweep.csv'}")
    failed = table[table["status"] == "failed"]
    if len(failed):
        raise build.BuildError(
            f"{len(failed)} of {len(table)} runs failed, the others are kept; the first: {failed['error'].iloc[0]}"
        )


@app.command()
def record(
    chapter: Annotated[str, typer.Argument(help=f"{', '.join(RECORDS)}: those that show recorded runs.")],
    parameter: Given = None,
    profile: Profile = "full",
    output: Annotated[
        str | None, typer.Option("-o", "--output", help="A folder, or the file if it ends in .parquet.")
    ] = None,
    only: Annotated[list[str] | None, typer.Option(help="An experiment; may be given several times.")] = None,
    add: Annotated[bool, typer.Option("--add", help="Add to the file, such as more seeds of what it has.")] = False,
    workers: Workers = None,
    scheduler: Scheduler = None,
    slurm: Slurm = False,
    wait: Wait = sweep.WAIT,
) -> None:
    """Train what a chapter shows as recorded: hours of one core, on this machine or on many."""
    from rnnreport.claims.stated import digests

    chapter = _named(chapter)
    values = _given(chapter, profile, parameter)
    if chapter not in RECORDS:
        raise ParameterError(f"{chapter} shows no runs that this records: say {' or '.join(RECORDS)}")
    values = _checked(chapter, {**values, "recorded_file": ""})
    file = destination(output, build.BUILD / "recorded" / f"{chapter}.parquet", ".parquet", recorded.is_recorded)
    _check_writable(file.parent)
    with locks.alone(file), sweep.on(scheduler, slurm, workers, wait, SLURM_LOGS):
        experiments = RECORDS[chapter](build.CHAPTERS[chapter].check(values))
        if unknown := set(only or ()) - set(experiments):
            raise ParameterError(f"{chapter} records no {brief(unknown.pop())}: say {', '.join(experiments)}")
        before = recorded.read(str(file)) if add else None
        table = recorded.joined({name: experiments[name] for name in only or experiments}, digests())
        runs.write_table(table if before is None else recorded.added(before, table), file)
    print(f"Recorded: {file}\n`rnnreport run {chapter} -p recorded_file {shlex.quote(str(file))}` shows it")


@app.command()
def train(
    what: Annotated[
        str,
        typer.Argument(help="text: chapter 4's model at the course's defaults; text-short: its five-minute recipe."),
    ],
    steps: Annotated[int | None, typer.Option(min=1, help="500,000 or 20,000 by default.")] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1)] = 0,
    given_folder: Annotated[
        str | None,
        typer.Option("--folder", help="Where its checkpoint and weights go; data/text-500k or data/text-short."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the folder's checkpoint.")] = False,
) -> None:
    """Train for hours, with a checkpoint every half minute."""
    if what not in TRAININGS:
        raise ParameterError(f"there is nothing to train called {what!r}; there are {' and '.join(TRAININGS)}")
    run_of, usual_steps, usual_folder = TRAININGS[what]
    steps, folder = steps or usual_steps, destination(given_folder, usual_folder)
    checkpoint = folder / CHECKPOINT
    there = os.path.exists(checkpoint)  # of a name too long, Path's exists raises OSError
    if there and not resume:
        raise ParameterError(f"{checkpoint} exists; --resume goes on from it, {ELSEWHERE}")
    if resume and not there:
        raise ParameterError(f"there is no {checkpoint} to resume from; leave --resume out to start")
    if not there and _recorded(folder):
        raise ParameterError(f"{folder} holds a training that is done; {ELSEWHERE}")
    sweep.check_folder(folder)
    if not there:
        for name in ("run.json", "table.parquet", checksums.MANIFEST):
            keep_others(folder / name, lambda _: False)
    from rnnreport.experiments import text_training
    from rnnreport.training import is_readable, use_one_thread

    if there and not is_readable(checkpoint) and _recorded(folder):  # a new one would overwrite what is done
        raise ParameterError(f"{checkpoint} cannot be read, but {folder} holds a training that is done; {ELSEWHERE}")
    if not there:
        for weights in folder.glob("weights-*.safetensors"):  # of a training that was killed before its checkpoint
            keep_others(weights, is_readable)
    configuration = run_of(steps, seed)
    use_one_thread()
    with locks.alone(checkpoint):
        checksums.mend(folder)
        with sweep.progress_bar(steps, "text", "step") as bar:
            table = text_training.train_text(configuration, folder, bar.update)
        if _recorded(folder) != configuration:
            runs.finish(folder, text_training.train_text, configuration, table)
        elif runs.damage_of(folder):
            runs.write_table(table, folder / "table.parquet")
            checksums.seal(folder, *runs.FILES)
    print(f"{steps:,} steps are done: {folder}")


def _recorded(folder: Path) -> TextRun | None:
    """What the folder's record, which says where and by what code it was made, is of; None where none can be read."""
    record = folder / "run.json"
    if not os.path.exists(record):
        return None
    try:
        return runs.configuration_of(folder, TextRun)
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())
        print(f"{record} cannot be read: {reason}", file=sys.stderr)
        return None


@app.command()
def tidy(chapter: Annotated[str | None, typer.Argument(help="All of them by default.")] = None) -> None:
    """Put edited notebooks and the hashes of edited YAML in data/ into the form they are committed in."""
    checksums.renew(*(path for path in (PROJECT / "data").iterdir() if path.suffix in checksums.EDITED))
    for name in [_named(chapter)] if chapter else build.CHAPTERS:
        build.parameters(name)  # says which chapters there are
        build.tidy(name)
        print(f"tidied {name}")


@app.command()
def test(
    arguments: Annotated[list[str] | None, typer.Argument(help="For pytest, in place of everything.")] = None,
    slow: Annotated[bool, typer.Option("--all", help="Also what is slow: the site's pages, kills, clusters.")] = False,
    abuse: Annotated[
        bool, typer.Option("--abuse", help="Record the abuse table in data/ instead: hours, in the background.")
    ] = False,
    mutants: Annotated[
        bool, typer.Option("--mutants", help="Record which mistakes the tests notice instead: hours; of all modules.")
    ] = False,
) -> None:
    """Run the tests and every notebook at its quick parameters, in one process more than there are cores."""
    vendor.fetch(PROJECT)
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
    everything = [
        *("--numprocesses", str(sweep.cores() + 1)),  # kernels and pages let it wait
        *("--dist=loadscope", "--no-loadscope-reorder"),
        *("--continue-on-collection-errors", "--nbval-lax", "--nbval-cell-timeout=300", "tests", "book"),
        *([] if slow else ["-m", "not slow"]),
    ]
    tests = ["-m", "pytest", *(arguments or everything)]
    tests = ["tests/abuse.py"] if abuse else ["tests/mutants.py", *(arguments or [])] if mutants else tests
    command = [sys.executable, *tests]
    raise typer.Exit(subprocess.run(command, cwd=PROJECT).returncode)


@app.command()
def bench(
    only: Annotated[
        str | None,
        typer.Option(help="Tasks among C, P, gate, sampling, page, with commas between; a record keeps its others."),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Tiny networks, to try the command.")] = False,
    profile: Annotated[bool, typer.Option("--profile", help="Print where our time goes and record nothing.")] = False,
    learning: Annotated[bool, typer.Option("--learning", help="Train by both backends, compare the losses.")] = False,
    engine: Annotated[
        bool, typer.Option("--sweep", help="Print what a sweep costs against plain loops; record nothing.")
    ] = False,
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", help="A folder, or the file if it ends in .json (--learning: .parquet)."),
    ] = None,
) -> None:
    """Measure how fast the recurrences are, against others: ten minutes of one core, otherwise idle."""
    sys.path.append(str(PROJECT))  # benchmarks/ is no part of the installed package
    if engine and (only or profile or learning or output):
        raise ParameterError("--sweep takes no --only, --profile, --learning or --output: it only prints")
    if engine:
        _bench_sweep(quick)
        return
    if learning and (only or quick or profile):
        raise ParameterError("--learning takes no --only, --quick or --profile: it trains both backends in full")
    if profile and output:
        raise ParameterError("--profile prints and records nothing, so it takes no --output")
    if learning:
        file = destination(output, build.BUILD / "backends.parquet", ".parquet", recorded.is_recorded)
    else:
        file = destination(output, build.BUILD / "bench.json", ".json", _experiment("speed.is_record"))
    from benchmarks import run as benchmarks
    from rnnreport.experiments import speed

    benchmarks.tasks_named(only)
    _check_writable(file.parent)
    if profile:
        for name, operations in benchmarks.profiles(only, quick):
            print(name, *(f"  {o['share']:6.1%} {o['calls']:6}×  {o['operation']}" for o in operations), sep="\n")
        return
    if learning:
        runs.write_table(speed.compare_backends(), file)
    else:
        before = speed.read(str(file)) if only and file.exists() and file.stat().st_size else None
        record = benchmarks.run(only, quick)
        benchmarks.write(benchmarks.merged(record, before) if before else record, file)
        print(speed.aims(record).to_string(index=False))
    name = "learning_file" if learning else "benchmarks_file"
    print(f"Recorded: {file}\n`rnnreport run 06_speed -p {name} {shlex.quote(str(file))}` shows it")


def _bench_sweep(quick: bool) -> None:
    from benchmarks import sweep as benchmark

    measured = []
    for one in benchmark.rounds(0.5, 1, 2) if quick else benchmark.rounds():
        measured.append(one)
        print(f"plain loops {one.loops:.1f} s, engine {one.engine:.1f} s: {one.overhead:+.1%}", flush=True)
    print(benchmark.summary(measured))


@app.command()
def serve(port: Annotated[int, typer.Option(min=0, max=65535)] = 8000, browser: bool = True) -> None:
    """Open the built book."""
    import threading
    import webbrowser

    from rnnreport.serve import SiteServer

    html = build.BUILD / "html"
    if not (html / "index.html").exists():
        raise build.BuildError("there is no book yet; `make book` (or `python -m rnnreport book`) makes it")
    try:
        server = SiteServer(html, port)
    except OSError as error:
        raise build.BuildError(f"port {port} cannot be used ({error.strerror}); --port names another") from error
    with server:
        address = f"http://127.0.0.1:{server.server_port}/"
        print(f"The book is at {address}, until Ctrl-C", flush=True)
        if browser:  # one in the terminal goes on until it is closed
            threading.Thread(target=webbrowser.open, args=[address], daemon=True).start()
        server.serve_forever()


@app.command()
def clean() -> None:
    """Remove what was built: _build and the fetched JavaScript. The environment, .venv, stays."""
    environment.clean()
