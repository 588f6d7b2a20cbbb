"""Without a terminal a view becomes a line, once a second and whenever there is news."""

from outrider.demo.display import lines
from outrider.demo.screen import View


def test_a_line_a_second_and_one_for_every_new_note() -> None:
    said: list[str] = []
    now = [100.0]
    show = lines(lambda: now[0], said.append)
    for moment, note in ((100, ""), (100.5, ""), (101, ""), (101.2, "still"), (101.4, "still"), (101.5, "done")):
        now[0] = moment
        show(View(moment - 100, [], note=note))
    assert [line.split()[0] for line in said] == ["0.0", "1.0", "1.2", "1.5"]
    assert said[-1].endswith("; done")
