"""The Hugging Face hub, through its own client: repositories looked up, files fetched, commits made, models listed.

HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE work as for every program that uses this client.
"""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spikeloop.exporters.addresses import HubAddress
from spikeloop.exporters.remote.progress import Progress
from spikeloop.models.errors import BadInputError, FailureError, SpikeloopError, in_one_line
from spikeloop.models.packages import require_packages

if TYPE_CHECKING:
    from huggingface_hub import HfApi

__all__ = ["COMMIT", "TAG", "Commit", "commit_files", "fetch_hub_file", "find_commit", "hub_models"]

COMMIT = re.compile(r"[0-9a-f]{40}")
TAG = "spikeloop"  # of the repositories that hold bundles
MOST_LISTED = 1000
LOG_IN = "log in with `hf auth login`, or set HF_TOKEN"


@dataclass(frozen=True)
class Commit:
    """What a repository holds at one moment.

    Attributes
    ----------
    identity : str
        40 hexadecimal digits.
    sizes : dict of str to int
        Bytes of each file as the hub states them, by its path; 0 where it states none.
    """

    identity: str
    sizes: Mapping[str, int]


def find_commit(address: HubAddress) -> Commit:
    """Look up which commit a branch, tag or commit is.

    Raises
    ------
    BadInputError
        If there is no such repository or revision, or it is not open to this user.
    FailureError
        If the hub can't be reached, answers something odd, or the extra `hub` is not installed.
    """
    with _hub(address) as api:
        info = api.model_info(address.repository, revision=address.revision, files_metadata=True, timeout=30)
        found = Commit(str(info.sha), {file.rfilename: int(file.size or 0) for file in info.siblings or ()})
    if not COMMIT.fullmatch(found.identity):
        raise FailureError(f"{address}: expected a commit of 40 hexadecimal digits, found {found.identity!r:.60}")
    return found


def fetch_hub_file(address: HubAddress, commit: Commit, name: str, folder: Path, progress: Progress) -> Path:
    """Fetch one file of a commit into a folder; raises as `find_commit` does."""
    with _hub(address) as api:
        fetched = api.hf_hub_download(
            address.repository, name, revision=commit.identity, local_dir=folder, tqdm_class=_reporting(progress)
        )
    return Path(fetched)


def commit_files(
    address: HubAddress, files: Mapping[str, bytes], obsolete: frozenset[str], message: str, private: bool
) -> str:
    """Publish files as one commit, in a repository that is made where there is none.

    Parameters
    ----------
    address : HubAddress
        Its revision is a branch, made where there is none.
    files : mapping of str to bytes
        By their paths.
    obsolete : frozenset of str
        Paths that are deleted where the repository has them, and not among `files`.
    message : str
    private : bool
        Of a repository that is made.

    Returns
    -------
    str
        Where it can be seen.

    Raises
    ------
    BadInputError
        If this user may not.
    FailureError
        As of `find_commit`.
    """
    with _hub(address) as api:
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        api.create_repo(address.repository, private=private, exist_ok=True)
        if address.revision != "main":
            api.create_branch(address.repository, branch=address.revision, exist_ok=True)
        info = api.model_info(address.repository, revision=address.revision)
        present = {file.rfilename for file in info.siblings or ()}
        done = api.create_commit(
            address.repository,
            [
                *(CommitOperationAdd(path, content) for path, content in files.items()),
                *(CommitOperationDelete(path) for path in sorted(obsolete & present - set(files))),
            ],
            commit_message=message,
            revision=address.revision,
        )
    return str(done.commit_url)


def hub_models(owner: str) -> list[dict[str, Any]]:
    """List an owner's bundles that this user may see: `id`, `sha`, `private` of each; raises as `find_commit` does."""
    with _hub(f"hf:{owner}") as api:
        found = api.list_models(author=owner, filter=TAG, limit=MOST_LISTED, full=True)
        return [{"id": model.id, "sha": model.sha, "private": bool(model.private)} for model in found]


def _reporting(progress: Progress) -> Any:
    from tqdm.auto import tqdm

    class Reporting(tqdm):
        """Reports instead of printing."""

        def __init__(self, *given: Any, **options: Any) -> None:
            self.done, self.most = int(options.get("initial") or 0), int(options.get("total") or 0)
            options.pop("name", None)
            super().__init__(*given, **options | {"disable": True})

        def update(self, n: float | None = 1) -> bool | None:
            self.done += int(n or 0)
            progress(self.done, self.most)
            return None

    return Reporting


@contextmanager
def _hub(address: HubAddress | str) -> Iterator["HfApi"]:
    """Open the client; what goes wrong until the block ends becomes a sentence."""
    require_packages("huggingface_hub", extra="hub", what="the Hugging Face hub")
    from huggingface_hub import HfApi, errors

    try:
        with _quiet():
            yield HfApi(endpoint=os.environ.get("HF_ENDPOINT"), library_name=TAG)
    except SpikeloopError:
        raise
    except errors.GatedRepoError as error:
        raise BadInputError(
            f"{address}: access is restricted; ask for it on the repository's page, and {LOG_IN}"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise BadInputError(f"{address}: expected a branch, tag or commit of the repository, found none") from error
    except errors.RemoteEntryNotFoundError as error:
        raise BadInputError(f"{address}: {_first_line(error)}; is it a bundle, and whole?") from error
    except errors.RepositoryNotFoundError as error:
        raise BadInputError(f"{address}: no such repository for this user; check the name, or {LOG_IN}") from error
    except errors.LocalTokenNotFoundError as error:
        raise BadInputError(f"{address}: expected to be logged in; {LOG_IN}") from error
    except errors.OfflineModeIsEnabled as error:
        raise FailureError(f"{address}: HF_HUB_OFFLINE forbids the network; unset it to pull and to push") from error
    except errors.HfHubHTTPError as error:
        raise _refused(address, error) from error
    except Exception as error:  # of its client for HTTP, each version of which raises its own
        raise FailureError(
            f"{address}: the hub could not be reached, or broke off ({_first_line(error)}); check the connection, and"
            " try again"
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the client from printing how far it is."""
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    if are_progress_bars_disabled():
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()


def _first_line(error: Exception) -> str:
    """Return the first sentence of one of the client's long messages."""
    return in_one_line(error).partition(". ")[0].rstrip(".")


def _refused(address: HubAddress | str, error: Any) -> SpikeloopError:
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in (401, 403):
        return BadInputError(f"{address}: this user may not do that (the hub answered {status}); {LOG_IN}")
    return FailureError(f"{address}: the hub answered {status or in_one_line(error)}; try again later")
