"""Mail for this machine: conformance 14."""
import unittest

from cases import W, head, send


class LocalMail(unittest.TestCase):
    """Conformance 14."""

    def test_into_the_maildir(self):  # LOCAL-1, LOCAL-3, LOCAL-5, MX-29
        folder = W.folder / "local"
        (folder / "ops").mkdir(parents=True)
        options = ["local_domain=pump.example", "maildir=%s/%%u" % folder]
        message = b"Subject: here\n\n.dot\nlast"
        code, out, err = send(message, "ops@PUMP.example", "nobody@pump.example", "a/x@pump.example", options=options)
        self.assertEqual(code, 67, out + err)
        self.assertIn("accepted by the mailbox here", out)
        self.assertEqual(out.count("no such user"), 2)
        mails = list((folder / "ops/new").iterdir())
        self.assertEqual(len(mails), 1)
        self.assertRegex(mails[0].read_bytes(), rb"\AReturn-Path: <pump@example\.net>\n"
                         rb"Received: by [^ \n]+ \(mailmote\)\n\tfor <ops@PUMP\.example>; [^\n]+ \+0000\n"
                         rb"Subject: here\n\n\.dot\nlast\n\Z")
        self.assertEqual(mails[0].stat().st_mode & 0o777, 0o600)
        self.assertEqual(list((folder / "ops/tmp").iterdir()), [])

    def test_a_subdomain_is_not_local(self):  # MX-29
        code, out, _ = send(head("sub") + b"x\n", "ops@sub.gone.example",
                            options=["local_domain=gone.example", "maildir=/nonexistent/%u"])
        self.assertEqual(code, 68, out)
