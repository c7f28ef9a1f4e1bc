"""Messages to compose: what is given, so that it can be compared with what others read out of what was made."""
import hashlib
from typing import NamedTuple


class Mail(NamedTuple):
    name: str
    subject: str = "Pump 7"
    text: str = None  # as given; a line ends with LF or CRLF
    html: str = None
    inlines: tuple = ()  # (file name, octets)
    attachments: tuple = ()
    sender: str = "pump@example.net"
    to: tuple = ("ops@example.net",)
    cc: tuple = ()
    fields: tuple = ()
    thread: str = None


def octets(count, seed=b"x"):
    """The same octets each time, of every value."""
    block = b"".join(hashlib.sha256(seed + bytes([i])).digest() for i in range(256))
    return (block * (count // len(block) + 1))[:count]


SCRIPTS = {
    "german": "Füllstand zu hoch: Größe 40 °C, Überdruck", "french": "Température élevée à l'étage n° 3 – «critique»",
    "greek": "Η αντλία επτά δεν αποκρίνεται", "russian": "Насос номер семь не отвечает уже пять минут",
    "hebrew": "המשאבה אינה מגיבה", "arabic": "المضخة لا تستجيب منذ خمس دقائق", "hindi": "पंप सात जवाब नहीं दे रहा है",
    "thai": "ปั๊มน้ำหมายเลขเจ็ดไม่ตอบสนอง", "chinese": "七号水泵没有响应，请立即检查压力和温度", "japanese": "ポンプ七号が応答しません。確認してください",
    "korean": "펌프 7호가 응답하지 않습니다", "georgian": "ტუმბო არ პასუხობს", "amharic": "ፓምፑ አይመልስም", "vietnamese": "Máy bơm số bảy không phản hồi",
    "polish": "Pompa siódma nie odpowiada, ciśnienie za duże", "turkish": "Pompa yanıt vermiyor, ısı yüksek İĞŞ", "emoji": "🔥 Pump 7 🚨 👩‍🔧 🇩🇪 zu heiß 🌡️",
    "combining": "é ü ñ é", "mathematical": "𝔓𝔲𝔪𝔭 ∑ ≤ ∞ 𝟟", "mixed": "Pump ポンプ насос 🔥 pompe – all at once, in one subject line",
}
MAILS = [Mail("script-" + name, subject=words, text=words + "\n" + words * 5 + "\n") for name, words in SCRIPTS.items()]

MAILS += [Mail("subject-" + name, subject=subject, text="x\n") for name, subject in {
    "long": "the pressure of pump seven is low " * 20 + "now", "long-emoji": "🔥" * 200, "long-umlauts": "ä" * 500, "word-1000": "w" * 1000,
    "word-1000-within": "a " + "w" * 1000 + " b", "spaces-around": " x ", "spaces-inside": "a   b  c", "looks-encoded": "=?utf-8?Q?not_this?=",
    "looks-encoded-within": "see =?utf-8?B?eA==?= there", "specials": "\"quoted\" \\back (comment) <angle> a@b; c, d: e?", "question": "What? = ? =?",
    "one": "x", "length-69": "y" * 69, "length-70": "y" * 70, "length-71": "y" * 71, "edge-of-line": "z" * 30 + " " + "z" * 37 + " zz"}.items()]

MAILS += [Mail("text-" + name, text=text) for name, text in {
    "empty": "", "line": "hello\n", "no-end": "hello", "crlf": "a\r\nb\r\n", "lone-dot": ".\n", "dots": ".\n..\n...\n.x\nx.\n.\n", "only-dot": ".",
    "from": "From here\nFrom there\n>From\nFromage\n", "empty-lines": "\n\n\n", "trailing-blanks": "a \nb\t\n  \n", "signature": "words\n-- \nPump 7\n",
    "word-1000": "w" * 1000 + "\n", "line-998": "w" * 998 + "\n", "long-lines": ("the pressure is low, " * 60 + "\n") * 5, "umlaut-lines": ("ä" * 200 + "\n") * 5,
    "equals": "a=b\n==\n=\n=3D=20=\n", "delimiter": "--=_m\n--\n--=_r0123456789abcdef\n", "tabs": "a\tb\n\tc\n", "form-feed": "a\fb\n", "escape": "\x1b[31mred\x1b[0m\n",
    "large": "".join("line %05d of a large text, with an ä here\n" % i for i in range(5000)), "bom": "\ufeffx\n"}.items()]

PNG = b"\x89PNG\r\n\x1a\n" + octets(3000)
PAGE = '<!DOCTYPE html>\n<p>Grüße <b>von</b> der Pumpe</p><img src="cid:logo.png">\n'
MAILS += [
    Mail("html-alone", html=PAGE), Mail("html-ascii", html="<p>hi</p>\n"), Mail("alternative", text="Grüße\n", html=PAGE),
    Mail("related", html=PAGE, inlines=(("logo.png", PNG),)),
    Mail("alternative-related", text="Grüße\n", html=PAGE, inlines=(("logo.png", PNG), ("second.png", PNG[:100]))),
    Mail("all-nested", text="Grüße", html=PAGE, inlines=(("logo.png", PNG),), attachments=(("pump.log", b"log\n"), ("data.bin", octets(1000)))),
    Mail("alternative-mixed", text="a\n", html="<p>a</p>", attachments=(("x", b"x"),)),
    Mail("inline-without-html", text="a\n", inlines=(("logo.png", PNG),)),
    Mail("attachment-alone", attachments=(("pump.log", b"one line\n"),)), Mail("attachment-empty", text="x\n", attachments=(("empty", b""),)),
    *(Mail("attachment-%d" % size, text="x\n", attachments=(("data.bin", octets(size)),)) for size in (1, 2, 3, 56, 57, 58, 113, 114, 115, 4096)),
    Mail("attachment-dots", text="x\n", attachments=(("dots.txt", b".\r\n.\n\r\n.\r\n"),)),
    Mail("attachment-line-ends", text="x\n", attachments=(("ends.txt", b"a\nb\r\nc\rd\0"),)),
    Mail("attachments-20", text="x\n", attachments=tuple(("part-%02d.bin" % i, octets(i * 37)) for i in range(20))),
    Mail("attachment-20MB", text="a large one\n", attachments=(("large.bin", octets(20_000_000)),)),
    Mail("attachment-message", text="x\n", attachments=(("mail.eml", b"Subject: x\r\n\r\nx\r\n"),)),
]
MAILS += [Mail("name-" + kind, text="x\n", attachments=((name, b"x"),)) for kind, name in {
    "spaces": "a log of pump 7.txt", "quotes": 'a "quoted" name.txt', "umlauts": "Füllstand größer.txt", "japanese": "温度記録.csv", "emoji": "🔥.png",
    "percent": "50% = half; a,b.txt", "long": "n" * 200 + ".txt", "long-umlauts": "ä" * 120 + ".txt", "looks-encoded": "=?utf-8?Q?x?=.txt", "hidden": ".profile",
    "apostrophe": "it's''here.txt"}.items()]

MAILS += [
    Mail("people-names", text="x\n", sender="Pump 7 <pump@example.net>", to=('"Lee, "Bob"" <lee@example.net>', "Jürgen Müller <jm@example.net>", "Öps 🔥 <o@example.net>"),
         cc=("Team (night) <night@example.net>", "plain@example.net")),
    Mail("people-60", text="x\n", to=tuple("Ops Person %02d <ops%02d@example.net>" % (i, i) for i in range(60))),
    Mail("people-long", text="x\n", to=("A name that is " + "long, " * 15 + "at last <long@example.net>", "x" * 64 + "@" + "d" * 60 + ".example.net")),
    Mail("people-umlauts-long", text="x\n", to=("Ü" * 90 + " <u@example.net>",)),
    Mail("fields", text="x\n", fields=("X-Place: Köln, Halle 4", "List-Id: <alerts.example.net>", "X-Long: " + "word " * 60 + "end")),
    Mail("thread", text="x\n", thread="incident-7"), Mail("thread-id", text="x\n", thread="<first@example.net>"),
]
assert len(set(mail.name for mail in MAILS)) == len(MAILS) >= 60


def split(person):
    """'Name <address>' as (name, address)."""
    if not person.endswith(">"):
        return "", person
    name, address = person[:-1].rsplit("<", 1)
    name = name.strip()
    return (name[1:-1] if name.startswith('"') else name), address


def words(mail, folder):
    """The command line that composes it; the files are written into the folder."""
    out = ["-f", mail.sender, "--subject", mail.subject]
    for option, value in (("--html", mail.html), ("--text", mail.text)):
        if value is not None:
            path = folder / (mail.name + option)
            path.write_bytes(value.encode())
            out += [option, "-" if option == "--text" else str(path)]
    for option, files in (("--inline", mail.inlines), ("--attach", mail.attachments)):
        for name, content in files:
            path = folder / mail.name / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
            out += [option, str(path)]
    for option, values in (("--cc", mail.cc), ("--header", mail.fields), ("--thread", [mail.thread] if mail.thread else [])):
        for value in values:
            out += [option, value]
    return out + ["--", *mail.to]
