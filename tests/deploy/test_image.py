"""The Dockerfile, read as text: there is no engine where these tests run."""

import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
DOCKERFILE = TOP / "deploy/docker/Dockerfile"
BINARIES = ["warder-control-plane", "warder-data-plane", "warder"]


def instructions():
    """(instruction, arguments) in order, comments dropped and continued lines joined."""
    lines = [line for line in DOCKERFILE.read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    found = []
    for line in joined.splitlines():
        if line.strip():
            name, _, arguments = line.strip().partition(" ")
            found.append((name.upper(), " ".join(arguments.split())))
    return found


def stages():
    """One list of instructions for each FROM."""
    result = []
    for name, arguments in instructions():
        if name == "FROM":
            result.append([])
        result[-1].append((name, arguments))
    return result


def of(stage, instruction):
    return [arguments for name, arguments in stage if name == instruction]


def copied():
    """The paths of the repository that the image is made of."""
    sources = []
    for arguments in [arguments for stage in stages() for arguments in of(stage, "COPY")]:
        words = [word for word in arguments.split() if not word.startswith("--")]
        if "--from=" not in arguments:
            sources += words[:-1]
    return sources


def ignored(path):
    """Whether Dockerfile.dockerignore keeps a path of the repository away from the build: the last match decides."""
    result = False
    for line in (DOCKERFILE.parent / "Dockerfile.dockerignore").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        pattern = line.lstrip("!").removeprefix("**/")
        anywhere = line.startswith("**/")
        parts = Path(path).parts
        candidates = parts if anywhere else ["/".join(parts[: count + 1]) for count in range(len(parts))]
        if any(fnmatch(candidate, pattern) for candidate in candidates):
            result = not line.startswith("!")
    return result


def test_base_images_have_a_version():
    for stage in stages():
        image = of(stage, "FROM")[0].split()[0]
        name, _, tag = image.partition(":")
        assert tag and not tag.startswith("latest"), image
        assert "/" not in name, "an official image, from wherever the engine takes its images"


def test_the_compiler_is_the_one_of_the_repository():
    channel = tomllib.loads((TOP / "rust-toolchain.toml").read_text())["toolchain"]["channel"]
    build = stages()[0]
    assert of(build, "FROM")[0].startswith(f"rust:{channel}-")
    assert f"RUSTUP_TOOLCHAIN={channel}" in of(build, "ENV")[0]


def test_the_build_is_locked_and_makes_the_three_binaries():
    [command] = of(stages()[0], "RUN")
    assert "cargo build --release --locked" in command
    for binary in BINARIES:
        assert f"--package {binary}" in command
        assert f"target/release/{binary}" in command


def test_the_binaries_are_packages_of_the_workspace():
    members = tomllib.loads((TOP / "Cargo.toml").read_text())["workspace"]["members"]
    packages = {tomllib.loads((TOP / member / "Cargo.toml").read_text())["package"]["name"] for member in members}
    assert packages.issuperset(BINARIES)
    # Cargo reads every member's manifest, so every member has to be in the image's context.
    assert {member.split("/")[0] for member in members} <= set(copied())


def test_everything_copied_exists_and_is_in_the_context():
    for source in copied():
        assert (TOP / source).exists(), source
        assert not ignored(source), source
    assert not ignored("control-plane/migrations/postgres/0001.sql")


@pytest.mark.parametrize(
    "path",
    [".git/config", ".warder/root.key", "deploy/compose/secrets/root.key", "target/debug/x", "tests/.cache/venv/x", "tests/node/node_modules/x/y"],
)
def test_local_state_and_secrets_stay_out_of_the_context(path):
    assert ignored(path)


def test_the_image_runs_as_an_ordinary_user_named_by_number():
    final = stages()[-1]
    assert of(final, "USER") == ["10001:10001"]
    after = final[[name for name, _ in final].index("USER") :]
    assert not {"RUN", "COPY", "ADD"} & {name for name, _ in after}, "nothing of the image belongs to that user"
    assert "--uid 10001" in of(final, "RUN")[0] and "--gid 10001" in of(final, "RUN")[0]


def test_nothing_is_fetched_by_url_and_no_secret_is_baked_in():
    for name, arguments in instructions():
        assert name != "ADD"
        assert not re.search(r"https?://|curl|wget", arguments), arguments
        if name in ("ARG", "ENV"):
            assert not re.search(r"(?i)secret|password|token|_key", arguments), arguments


def test_the_final_stage_has_the_binaries_the_licence_and_no_compiler():
    final = stages()[-1]
    assert not of(final, "FROM")[0].startswith("rust:")
    assert "--from=build /out/ /usr/local/bin/" in of(final, "COPY")
    assert any(arguments.startswith("LICENSE ") for arguments in of(final, "COPY"))
    assert of(final, "CMD") == ['["warder", "--help"]']
