"""`streembit account`: make, show, back up and restore accounts, by their files alone."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from streembit.cli import show
from streembit.cli.command import Group, Settings, pass_settings

if TYPE_CHECKING:
    from streembit.disk.accounts import Accounts
    from streembit.disk.passcode import Source
    from streembit.jose.keyfile import Header

MAX_WORDS_BYTES = 1024  # 24 words have about 150 characters

_FILE = click.Path(dir_okay=False, path_type=Path)
passcode_option = click.option(
    "--passcode-file", type=_FILE, metavar="FILE", help="Read the passcode from FILE, mode 0600."
)
_no_passcode = click.option(
    "--no-passcode", is_flag=True, help="Keep the key file in clear: for devices and seeds."
)


class Shown(msgspec.Struct, frozen=True):
    """What an account's key file says to everybody who may read it."""

    name: str
    public_key: str
    node_id: str
    fingerprint: str
    protection: str
    key_file: str
    accounts: list[str]
    number: str


@click.group(
    cls=Group,
    examples=(
        "streembit account create alice",
        "streembit account backup /media/stick/alice.json",
        "streembit --home ~/other --account alice account restore --words",
    ),
)
def account() -> None:
    """Accounts: a key pair each, in a file protected by a passcode."""


@account.command(
    examples=(
        "streembit account create alice",
        "streembit --home /var/lib/thing account create thing --no-passcode",
    )
)
@click.argument("name")
@passcode_option
@_no_passcode
@pass_settings
def create(settings: Settings, name: str, passcode_file: Path | None, no_passcode: bool) -> None:
    """Make the account NAME with new keys."""
    accounts = _accounts_without(name, settings)
    accounts.create(name, _new_passcode(name, passcode_file, no_passcode))
    _show(settings, accounts, name)


@account.command("show", examples=("streembit account show", "streembit account show --json"))
@pass_settings
def show_(settings: Settings) -> None:
    """Show name, public key, node id, fingerprint and number.

    The number is the fingerprint to read out: contacts type it in with
    `streembit contact verify`. Both are public; the words of `streembit
    account words` are secret.
    """
    accounts = settings.accounts()
    _show(settings, accounts, settings.account)


@account.command(
    examples=("streembit account passcode", "streembit --account bob account passcode")
)
@passcode_option
@click.option(
    "--new-passcode-file", type=_FILE, metavar="FILE", help="Read the new passcode from FILE."
)
@_no_passcode
@pass_settings
def passcode(
    settings: Settings,
    passcode_file: Path | None,
    new_passcode_file: Path | None,
    no_passcode: bool,
) -> None:
    """Change the passcode; asks for the old one."""
    accounts = settings.accounts()
    header = header_of(accounts, settings.account)
    old = _old_passcode(header, passcode_file)
    accounts.load(header.name, old)
    new = _new_passcode(header.name, new_passcode_file, no_passcode)
    accounts.change_passcode(header.name, old, new)
    _show(settings, accounts, header.name)


@account.command(examples=("streembit account backup /media/stick/alice.json",))
@click.argument("file", type=_FILE)
@pass_settings
def backup(settings: Settings, file: Path) -> None:
    """Copy the key file, protected as it is, to the new FILE."""
    accounts = settings.accounts()
    accounts.backup(settings.account, file)
    if settings.json:
        show.as_json({"file": str(file.absolute())})
    else:
        show.line(f"written: {file}")


@account.command(
    examples=(
        "streembit account restore /media/stick/alice.json",
        "streembit --account alice account restore --words",
        "streembit --account alice account restore --words words.txt",
    )
)
@click.argument("file", type=_FILE, required=False)
@click.option("--words", is_flag=True, help="From 24 words: typed, or in FILE.")
@passcode_option
@_no_passcode
@pass_settings
def restore(
    settings: Settings,
    file: Path | None,
    words: bool,
    passcode_file: Path | None,
    no_passcode: bool,
) -> None:
    """Take back an account from a backup FILE, or from its 24 words.

    A backup keeps its passcode and name, unless --account gives another
    name. Words need --account and a new passcode.
    """
    if words:
        name = _from_words(settings, file, passcode_file, no_passcode)
    elif file is None:
        raise click.UsageError("Give a FILE, or --words.")
    else:
        name = _from_backup(settings, file, passcode_file)
    _show(settings, settings.accounts(), name)


@account.command(examples=("streembit account words", "streembit --account bob account words"))
@passcode_option
@pass_settings
def words(settings: Settings, passcode_file: Path | None) -> None:
    """Print the 24 words that restore the account.

    Write them on paper: whoever reads them is you.
    """
    from streembit.jose.words import from_seed

    accounts = settings.accounts()
    header = header_of(accounts, settings.account)
    identity = accounts.load(header.name, _old_passcode(header, passcode_file))
    told = from_seed(identity.seed).split()
    if settings.json:
        show.as_json({"name": header.name, "words": told})
    else:
        for row in range(0, len(told), 6):
            show.line(" ".join(told[row : row + 6]))


def header_of(accounts: Accounts, name: str | None) -> Header:
    """Return what the account's key file says without its passcode.

    Raises:
        NoSuchAccount: there is none of this name.
        KeyFileCorrupt: it cannot be read.
    """
    from streembit.disk import atomic
    from streembit.errors import NoSuchAccount
    from streembit.jose import keyfile

    chosen = accounts.choose(name)
    data = atomic.read(accounts.key_path(chosen))
    if data is None:
        raise NoSuchAccount(account=chosen)
    return keyfile.inspect(data)


def _accounts_without(name: str, settings: Settings) -> Accounts:
    """Refuse a bad name or one that is taken, before anybody types a passcode."""
    from streembit.disk.accounts import check_name
    from streembit.errors import KeyFileExists

    check_name(name)
    accounts = settings.new_accounts()
    if name in accounts.names():
        raise KeyFileExists(file=str(accounts.key_path(name)))
    return accounts


def _from_backup(settings: Settings, file: Path, passcode_file: Path | None) -> str:
    from streembit.jose import keyfile

    data = _read(file, keyfile.MAX_FILE_BYTES)
    header = keyfile.inspect(data)
    accounts = _accounts_without(settings.account or header.name, settings)
    return accounts.restore(data, _old_passcode(header, passcode_file), settings.account).name


def _from_words(
    settings: Settings, file: Path | None, passcode_file: Path | None, no_passcode: bool
) -> str:
    from streembit.jose.keys import Identity
    from streembit.jose.words import to_seed

    if settings.account is None:
        raise click.UsageError("Words do not hold a name: give one with --account.")
    accounts = _accounts_without(settings.account, settings)
    identity = Identity.from_seed(to_seed(_typed_words(file)), settings.account)
    code = _new_passcode(settings.account, passcode_file, no_passcode)
    accounts.add(identity, code)
    return identity.name


def _typed_words(file: Path | None) -> str:
    if file is not None:
        return _read(file, MAX_WORDS_BYTES).decode("utf-8", "replace")
    if not sys.stdin.isatty():
        return sys.stdin.read(MAX_WORDS_BYTES)
    return str(click.prompt("The 24 words (not shown)", hide_input=True))


def _read(file: Path, limit_bytes: int) -> bytes:
    from streembit.errors import TooLarge

    with file.open("rb") as opened:
        data = opened.read(limit_bytes + 1)
    if len(data) > limit_bytes:
        raise TooLarge(str(file), limit_bytes=limit_bytes)
    return data


def _source(file: Path | None) -> Source:
    from streembit.disk.passcode import Source

    return Source.of_process(file)


def passcode_for(accounts: Accounts, name: str, file: Path | None) -> str | None:
    """Return the passcode of an account, asked for or read; None where its key file has none."""
    return _old_passcode(header_of(accounts, name), file)


def _old_passcode(header: Header, file: Path | None) -> str | None:
    if header.protection == "none":
        return None
    return _source(file).passcode(header.name)


def _new_passcode(name: str, file: Path | None, no_passcode: bool) -> str | None:
    from streembit.jose.passcode import check_passcode

    if no_passcode and file is not None:
        raise click.UsageError("A passcode file and --no-passcode exclude each other.")
    if no_passcode:
        return None
    code = _source(file).passcode(name, new=True)
    check_passcode(code)
    return code


def _show(settings: Settings, accounts: Accounts, name: str | None) -> None:
    shown = _shown(accounts, name)
    if settings.json:
        show.as_json(shown)
        return
    protected = "a passcode" if shown.protection != "none" else "nothing but its mode"
    show.facts(
        (
            ("name", shown.name),
            ("public key", shown.public_key),
            ("node id", shown.node_id),
            ("fingerprint", shown.fingerprint),
            ("number", shown.number),
            ("key file", f"{shown.key_file}, protected by {protected}"),
            ("accounts", ", ".join(shown.accounts)),
        )
    )


def _shown(accounts: Accounts, name: str | None) -> Shown:
    from streembit.dht.keyspace import node_id, to_hex
    from streembit.jose import fingerprint
    from streembit.jose.keys import PublicKey

    header = header_of(accounts, name)
    chosen = accounts.choose(name)
    key = PublicKey.from_hex(header.public_key)
    return Shown(
        chosen,
        key.hex,
        to_hex(node_id(key.point)),
        fingerprint.of(key),
        header.protection,
        str(accounts.key_path(chosen)),
        accounts.names(),
        fingerprint.number_of(key),
    )
