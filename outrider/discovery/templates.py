"""What stands between `%%` in an annotation: Datadog's template variables, filled in from the pod itself.

    %%host%%, %%host_<network>%%        the pod's address
    %%port%%                            the highest port that is declared, as with the Agent
    %%port_0%%, %%port_1%%, ...         from the lowest on
    %%port_<name>%%                     by the name that it is declared under
    %%env_NAME%%                        a plain variable of the container
    %%kube_namespace%%, %%kube_pod_name%%, %%kube_pod_uid%%

Only what the pod's specification says is ever put in, and nothing of our own environment. A variable that takes its
value from a Secret is in the container alone, and is asked for in vain.
"""

import re
from collections.abc import Sequence
from typing import Any

from outrider.config.yaml_nodes import resolve
from outrider.discovery.wish import FaultError
from outrider.model.pod import Endpoint, Inside, Pod, Port

_TOKEN = re.compile(r"%%([^%\s]+)%%")
_OURS = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-|\})")
"""How a variable begins; to look for its end from every beginning would take quadratic time."""
_NAMES = {"kube_namespace": "namespace", "kube_pod_name": "name", "kube_pod_uid": "uid"}
_HOST_BESIDE_COLON = re.compile(r"(?<=://)%%host%%|%%host%%(?=:)")
MAX_FILLED = 32 << 10
"""Characters that variables may add to one check: a variable can be long, and be named a thousand times."""


class Templates:
    """The variables of one pod. `scope` are the containers whose ports and variables are meant."""

    def __init__(self, pod: Pod, endpoint: Endpoint, scope: Sequence[Inside]) -> None:
        self._pod, self._endpoint, self._scope = pod, endpoint, scope
        self._left = MAX_FILLED

    def filled(self, value: Any) -> Any:
        """`value` with everything filled in, in keys too. A string that is nothing but a variable becomes a number
        where that is one. Raises FaultError.
        """
        if isinstance(value, dict):
            return {self._text(key): self.filled(one) for key, one in value.items()}
        if isinstance(value, list):
            return [self.filled(one) for one in value]
        if not isinstance(value, str):
            return value
        text = self._text(value)
        port = value.startswith("%%port") and _TOKEN.fullmatch(value)
        return resolve(text) if port else text

    def _text(self, text: str) -> str:
        if "]" in text.partition("ENC[")[2]:
            raise FaultError(
                "ENC[...] is a secret of the Datadog Agent's secret backend, which is not there: have the software "
                "measured without a password from here, or by a sidecar, which has the pod's own Secret"
            )
        ours = _OURS.search(text)
        if ours is not None:
            raise FaultError(
                f"${{{ours[1]}}} is not expanded in an annotation: write %%env_{ours[1]}%% for a container's variable"
            )
        if ":" in self._endpoint.ip:
            text = _HOST_BESIDE_COLON.sub("[%%host%%]", text)
        return _TOKEN.sub(lambda m: self._spent(self._value(m[1])), text)

    def _spent(self, value: str) -> str:
        self._left -= len(value)
        if self._left < 0:
            raise FaultError(f"its variables stand for more than {MAX_FILLED:,} characters together")
        return value

    def _value(self, name: str) -> str:
        kind, _, rest = name.partition("_")
        if kind == "host":  # a pod has one network here, whatever it is called
            return self._endpoint.ip
        if kind == "port":
            return str(self._port(rest).number)
        if kind == "env":
            return self._env(rest)
        if name in _NAMES:
            return str(getattr(self._pod, _NAMES[name]))
        if name == "hostname":
            raise FaultError("%%hostname%% is not supported: the pod is reached by its address, %%host%%")
        if name == "pid":
            raise FaultError("%%pid%% is not supported: processes of other containers cannot be seen from here")
        raise FaultError(
            f"%%{name}%% is no variable that is known; there are host, port, port_N, port_<name>, env_NAME"
        )

    def _port(self, which: str) -> Port:
        """Datadog sorts the ports and takes the last one if none is named."""
        ports = sorted({(port.number, port.name): port for one in self._scope for port in one.ports}.items())
        declared = ", ".join(f"{number} ({name})" if name else str(number) for (number, name), _ in ports) or "none"
        if which.isdecimal():
            if len(which) < 4 and int(which) < len(ports):
                return ports[int(which)][1]
        elif which:
            for (_, name), port in ports:
                if name == which:
                    return port
        elif ports:
            return ports[-1][1]
        name = f"%%port_{which}%%" if which else "%%port%%"
        raise FaultError(f"{name} is none of the ports that the container declares ({declared}): write the number")

    def _env(self, name: str) -> str:
        found = [one.env[name] for one in self._scope if name in one.env]
        if not found:
            raise FaultError(f"%%env_{name}%%: the container's specification has no variable {name}")
        values = {value for value in found if value is not None}
        if not values:
            raise FaultError(
                f"%%env_{name}%%: the value of {name} is in a Secret, a ConfigMap or a field, which only the container "
                "knows: a sidecar in the pod has it too"
            )
        if len(values) > 1 or None in found:
            raise FaultError(f"%%env_{name}%%: {name} is another one in each container of the pod")
        [value] = values
        if "$(" in value:
            raise FaultError(
                f"%%env_{name}%%: the value of {name} refers to another variable, which only the container knows"
            )
        return value
