"""What every error has: a code, a sentence, figures, and whose fault it is."""

from __future__ import annotations


class StreembitError(Exception):
    """Something went wrong in Streembit.

    The docstring of a subclass is the sentence that a user reads;
    `detail` says more about this one case, and the keyword fields,
    which are attributes too, carry its figures. None of them may hold
    secrets: they are logged and shown.
    """

    code: str = "error"

    def __init__(self, detail: str = "", **fields: object) -> None:
        super().__init__(detail)
        self.detail = detail
        self.fields = fields

    def __getattr__(self, name: str) -> object:
        fields: dict[str, object] = self.__dict__.get("fields", {})
        if name in fields:
            return fields[name]
        raise AttributeError(f"{type(self).__name__} has no field {name}")

    def __str__(self) -> str:
        figures = " ".join(f"{name}={value}" for name, value in self.fields.items())
        text = f"{self.code}: {self.detail}" if self.detail else self.code
        return f"{text} {figures}" if figures else text

    @classmethod
    def sentence(cls) -> str:
        """Return the first line of the class's docstring: what happened, for a user."""
        return (cls.__doc__ or cls.code).strip().splitlines()[0]


class LocalError(StreembitError):
    """Our own side did something that cannot work: caller, user, or disk."""

    code = "local-error"


class RemoteError(StreembitError):
    """The other side did something that is refused."""

    code = "remote-error"
