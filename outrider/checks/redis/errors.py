"""What an error of the server means, and what cures it.

NOPERM this user has no permissions to run the 'slowlog|get' command    ->    ACL SETUSER monitor +slowlog|get
"""

from outrider.checks.check import AnswerError, CheckError, DeniedError, RefusedError
from outrider.checks.redis.resp import ServerError


def turned_away(error: ServerError) -> bool:
    """Whether the server said it instead of letting anybody in: it hangs up then."""
    return error.code == "DENIED" or "max number of clients" in error.words


def trouble(error: ServerError, name: str, user: str, command: str) -> CheckError:
    """What it means that the server called `name` answered `command` (`slowlog|get`) of `user` with `error`."""
    words, spelled = error.words, command.upper().replace("|", " ")
    if error.code == "NOPERM":
        if "access" in words:
            return DeniedError(f"{name}: the user {user} may not read these keys", f"ACL SETUSER {user} ~<pattern>")
        return DeniedError(f"{name}: the user {user} may not run {spelled}", f"ACL SETUSER {user} +{command}")
    if error.code == "NOAUTH":
        cure = "set password, and username if it is not the one of the user default"
        return DeniedError(f"{name} asks for a password", cure)
    if error.code == "WRONGPASS" or "invalid password" in words:
        return DeniedError(f"{name} refuses the password of the user {user}", "correct password or username")
    if "without any password configured" in words or "no password is set" in words:
        cure = "leave password out, or name the user that it is for in username"
        return DeniedError(f"{name} has no password for the user {user}", cure)
    if error.code == "DENIED":
        cure = "set a password on the server, or read it at 127.0.0.1"
        return DeniedError(f"{name} is in protected mode, and answers its own host only", cure)
    if "max number of clients" in words:
        return RefusedError(f"{name} has as many clients as it takes", "raise maxclients")
    if "unknown command" in words:
        return AnswerError(f"{name} has no {spelled}: it is renamed, or not offered here")
    return AnswerError(f"{name} answers {spelled} with: {words[:200]}")
