"""The manual names every key and option there is, and none that there is not."""
import pathlib
import re

from program import Case

TOP = pathlib.Path(__file__).resolve().parent.parent.parent


class Manual(Case):
    def test_keys(self):
        code = (TOP / "examples/mailmote/config.c").read_text()
        keys = set(re.findall(r'\[KEY_\w+\] = \{ "(\w+)"', code))
        self.assertGreater(len(keys), 20)
        readme = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", (TOP / "README.md").read_text(), re.M)
        self.assertEqual(keys, {key for row in readme for key in re.findall(r"`(\w+)`", row)})
        page = (TOP / "docs/mailmote.1").read_text()
        page = page[page.index(".Ss Configuration"):page.index(".Sh ENVIRONMENT")]
        self.assertEqual(keys, {key for row in re.findall(r"^\.It Cm (.*)$", page, re.M) for key in row.split(" , ")})

    def test_options(self):
        page = (TOP / "docs/mailmote.1").read_text()
        for option in re.findall(r"--([a-z]+)", self.run_program("--help", config=None).out):
            self.assertIn("Fl -%s" % option, page)

    def test_identity_advice(self):  # MSG-42
        page = (TOP / "README.md").read_text()
        page = page[page.index("## Relay or MX?"):]
        page = page[:page.index("\n## ", 5)]
        for word in ("null MX", "SPF", "DKIM", "DMARC", "aligned", "reverse DNS", "port 25", "somebody reads"):
            self.assertIn(word, page)

    def test_example(self):
        """What the README shows of examples/alert stands in it, line by line."""
        page = (TOP / "README.md").read_text()
        shown = page[page.index("```c\n") + 5:]
        lines = [line.strip() for line in shown[:shown.index("```")].splitlines() if line != "..."]
        rest = (TOP / "examples/alert/alert.c").read_text()
        self.assertGreater(len(lines), 5)
        for line in lines:
            self.assertIn(line, rest)
            rest = rest[rest.index(line) + len(line):]
