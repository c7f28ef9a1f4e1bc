"""A private world: name servers, mail servers and a device, in network namespaces of its own.

The process itself lives in the servers' namespace; the device's namespace is joined to it by a veth pair. Nothing
can leave and nothing of the machine is touched. Every process lives in a process namespace that ends with us, however
we end. Worlds know nothing of each other, so several may run at once. The servers are Debian's, unpacked below
build/world by scripts/setup --world.

    device      192.0.2.1   2001:db8::1
    postfix     192.0.2.10  2001:db8::10    port 25 (STARTTLS); 587 (STARTTLS, AUTH) and 465 (TLS, AUTH), which pass
                                            mail on by MX; 2512 and 2513 as 587, with TLS 1.2 only and 1.3 only
    exim        192.0.2.11  2001:db8::11    ports 25, 587 (STARTTLS, AUTH), 465 (TLS, AUTH)
    opensmtpd   192.0.2.12  2001:db8::12    port 25, no TLS
    scripted    192.0.2.13 to .19           whatever a test puts there
    nsd         192.0.2.53                  authoritative
    unbound     192.0.2.54                  the resolver of the device
    chrony      192.0.2.55                  the time of day, by SNTP
"""
import glob
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
ROOT = TOP / "build/world/root"
SERVER_ADDRESSES = [10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 53, 54, 55]
USER, PASSWORD = "pump@example.net", "tap & \"drum\" 9"
USERS = {"postfix": 64901, "postdrop": 64902, "Debian-exim": 64903, "opensmtpd": 64904, "opensmtpq": 64905,
         "nsd": 64906, "unbound": 64907, "box": 64908}


def enter(argv):
    """Starts this program again in namespaces of its own, once."""
    if os.environ.get("MAILMOTE_WORLD") == "inside":
        return
    if not all((ROOT / name / ".whole").exists() for name in ("unbound", "chrony")):
        sys.exit("world: the servers are missing; run scripts/setup --world")
    root = [] if os.geteuid() == 0 else ["sudo", "--preserve-env=MAILMOTE,ALERT"]  # namespaces with several users need root
    inside = ["env", "MAILMOTE_WORLD=inside", sys.executable, *argv]
    words = [*root, "unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
             "--propagation", "private", *inside]
    os.execvp(words[0], words)


def sh(*words, **options):
    return subprocess.run(words, check=True, stdout=subprocess.DEVNULL, **options)


class World:
    """Starts what is asked for; stop() ends it all."""

    def __init__(self):
        self.processes = []
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mailmote-world-"))
        os.chmod(self.folder, 0o755)
        self.config = self.folder / "mailmote.conf"
        self.device = None
        try:
            self._make_etc()
            self._make_network()
        except BaseException:
            self.stop()
            raise

    def start(self):
        """Every server there is."""
        self.start_names()
        self.make_certificates()
        self.start_postfix()
        self.start_exim()
        self.start_opensmtpd()

    # ---- the ground ----

    def _make_etc(self):
        """Users and a name server of our own, laid over /etc and seen only in here."""
        etc = self.folder / "etc"
        etc.mkdir()
        for name, form in (("passwd", "%s:x:%d:%d::/nonexistent:/usr/sbin/nologin\n"), ("group", "%s:x:%d:\n")):
            text = pathlib.Path("/etc", name).read_text()
            known = set(line.split(":")[0] for line in text.splitlines())
            for user, number in USERS.items():
                if user not in known:
                    text += form % ((user, number, number) if name == "passwd" else (user, number))
            (etc / name).write_text(text)
        (etc / "resolv.conf").write_text("nameserver 192.0.2.54\n")
        (etc / "nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files dns\n")
        sh("mount", "-t", "overlay", "overlay", "-o", "lowerdir=%s:/etc" % etc, "/etc")
        self.box = pwd.getpwnam("box")

    def _make_network(self):
        self.device = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
        self.processes.append(self.device)
        deadline = time.monotonic() + 5
        own = os.readlink("/proc/self/ns/net")
        while os.readlink("/proc/%d/ns/net" % self.device.pid) == own and time.monotonic() < deadline:
            time.sleep(0.01)
        sh("ip", "link", "set", "lo", "up")
        self._join_networks()
        sh("ip", "link", "set", "wire", "up")
        for number in SERVER_ADDRESSES:
            sh("ip", "addr", "add", "192.0.2.%d/24" % number, "dev", "wire")
            sh("ip", "addr", "add", "2001:db8::%d/64" % number, "dev", "wire", "nodad")
        self.on_device("ip", "link", "set", "lo", "up")
        self.on_device("ip", "link", "set", "wire", "up")
        self.on_device("ip", "addr", "add", "192.0.2.1/24", "dev", "wire")
        self.on_device("ip", "addr", "add", "2001:db8::1/64", "dev", "wire", "nodad")

    def _join_networks(self):
        """Makes a link named wire in both namespaces."""
        sh("ip", "link", "add", "wire", "type", "veth", "peer", "name", "wire", "netns", str(self.device.pid))

    def on_device(self, *words, **options):
        """Runs a command in the device's namespace."""
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.PIPE)
        options.setdefault("timeout", 60)
        return subprocess.run(["nsenter", "--net=/proc/%d/ns/net" % self.device.pid, *words], **options)

    def spawn(self, package, *words, text=None):
        """Starts a server out of its unpacked package, laid over /usr for it alone, with a /run of its own. text: what it reads."""
        script = ('mount -t overlay overlay -o lowerdir=%s/usr:/usr /usr && mount -t tmpfs tmpfs /run && exec "$@"'
                  % (ROOT / package))
        with open(self.folder / (package + ".log"), "ab") as log:
            process = subprocess.Popen(["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", *words],
                                       stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True)
        self.processes.append(process)
        process.stdin.write((text or "").encode())
        process.stdin.close()
        return process

    def wait_for(self, address, port, what):
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline:
            try:
                socket.create_connection((address, port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        log = self.folder / (what + ".log")
        raise RuntimeError("%s does not answer at %s:%d\n%s" % (what, address, port,
                                                                log.read_text() if log.exists() else ""))

    def stop(self):
        for process in reversed(self.processes):
            try:
                if process is self.device:
                    process.kill()
                else:
                    os.killpg(process.pid, signal.SIGTERM)
            except ProcessLookupError:
                pass
        for process in self.processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(5)
        subprocess.run(["umount", "/etc"], stderr=subprocess.DEVNULL)
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- names ----

    ZONES = {
        "postfix.example": "@ MX 10 mx\nmx A 192.0.2.10\nmx AAAA 2001:db8::10\n4 MX 10 mx4\nmx4 A 192.0.2.10\n"
                           "6 MX 10 mx6\nmx6 AAAA 2001:db8::10\n",
        "exim.example": "@ MX 10 mx\nmx A 192.0.2.11\nmx AAAA 2001:db8::11\n4 MX 10 mx4\nmx4 A 192.0.2.11\n"
                        "6 MX 10 mx6\nmx6 AAAA 2001:db8::11\n",
        "opensmtpd.example": "@ MX 10 mx\nmx A 192.0.2.12\nmx AAAA 2001:db8::12\n4 MX 10 mx4\nmx4 A 192.0.2.12\n"
                             "6 MX 10 mx6\nmx6 AAAA 2001:db8::12\n",
        # an MX target that is an alias, an alias at the domain itself, no MX at all
        "alias.example": "@ MX 10 mx\nmx CNAME mx.postfix.example.\n",
        "moved.example": "mail CNAME postfix.example.\n",
        "implicit.example": "@ A 192.0.2.10\n",
        # what must never be delivered to
        "null.example": "@ MX 0 .\n@ A 192.0.2.10\n",
        "loop.example": "@ MX 10 mx\nmx A 127.0.0.1\n",
        "self.example": "@ MX 10 device.example.net.\n@ MX 20 mx.postfix.example.\n",
        "private.example": "@ MX 10 mx\nmx A 10.1.2.3\n",
        "nothing.example": "@ MX 10 mx\n@ A 192.0.2.10\n",
        "bare.example": "@ TXT nothing\n",
        # hosts that fail before one that serves
        "backup.example": "@ MX 10 dead\n@ MX 20 mx.postfix.example.\ndead A 192.0.2.99\n",
        "refused.example": "@ MX 10 closed\n@ MX 20 mx.postfix.example.\nclosed A 192.0.2.19\n",
        "hosts.example": "@ MX 10 mx.exim.example.\n@ MX 20 mx.postfix.example.\n",
        "missing.example": "@ MX 10 gone\n@ MX 20 mx.postfix.example.\n",
        "two.example": "@ MX 10 mx\nmx A 192.0.2.19\nmx AAAA 2001:db8::10\n",
        # an MX set that no datagram holds
        "large.example": "".join("@ MX %d host%d.with.a.rather.long.name.that.nobody.has.ever.seen.anywhere\n" % (100 + i, i)
                                 for i in range(60)) + "@ MX 10 mx.postfix.example.\n",
        "example.net": "device A 192.0.2.1\nsmtp A 192.0.2.11\nsmtp AAAA 2001:db8::11\nother A 192.0.2.11\n"
                       "submission A 192.0.2.10\nsubmission AAAA 2001:db8::10\nscript A 192.0.2.13\n",
        "factory.example": "@ MX 10 mail\nmail A 192.0.2.11\nmail AAAA 2001:db8::11\n",
        "script.example": "@ MX 10 mx\nmx A 192.0.2.13\n",
        "scripts.example": "@ MX 10 mx\n@ MX 20 mx2\nmx A 192.0.2.13\nmx2 A 192.0.2.14\n",
    }

    def start_names(self):
        folder = self.folder / "names"
        folder.mkdir()
        head = "$TTL 300\n@ SOA ns hostmaster 1 300 300 300 300\n@ NS ns\nns A 192.0.2.53\n"
        zones = ""
        for name, text in self.ZONES.items():
            (folder / name).write_text(head + text)
            zones += "zone:\n name: %s\n zonefile: %s\n" % (name, folder / name)
        (folder / "nsd.conf").write_text(
            'server:\n ip-address: 192.0.2.53\n username: ""\n database: ""\n pidfile: ""\n zonelistfile: %s/zl\n'
            ' xfrdfile: %s/xf\n zonesdir: %s\n server-count: 1\nremote-control:\n control-enable: no\n%s'
            % (folder, folder, folder, zones))
        stubs = "".join("stub-zone:\n name: %s\n stub-addr: 192.0.2.53\n" % name for name in self.ZONES)
        (folder / "unbound.conf").write_text(
            'server:\n interface: 192.0.2.54\n access-control: 192.0.2.0/24 allow\n username: ""\n chroot: ""\n'
            ' pidfile: ""\n directory: "%s"\n use-syslog: no\n do-not-query-localhost: no\n do-daemonize: no\n'
            ' local-zone: "gone.example." always_nxdomain\n module-config: "iterator"\n num-threads: 1\n private-address: 0.0.0.0/32\n'
            'remote-control:\n control-enable: no\n%s' % (folder, stubs))
        self.spawn("nsd", "/usr/sbin/nsd", "-d", "-c", str(folder / "nsd.conf"))
        self.spawn("unbound", "/usr/sbin/unbound", "-d", "-c", str(folder / "unbound.conf"))
        self.wait_for("192.0.2.53", 53, "nsd")
        self.wait_for("192.0.2.54", 53, "unbound")

    # ---- the time ----

    def start_time(self):
        """A time server that believes this machine's clock and leaves it alone."""
        path = self.folder / "chrony.conf"
        path.write_text("bindaddress 192.0.2.55\nallow\nlocal stratum 3\ncmdport 0\nbindcmdaddress /\npidfile /run/chronyd.pid\n")
        self.spawn("chrony", "/usr/sbin/chronyd", "-d", "-x", "-u", "root", "-f", str(path))

    # ---- certificates ----

    def make_certificates(self):
        """A CA of our own (ca.pem), and the certificate of the real servers."""
        self.certificates = self.folder / "certificates"
        self.certificates.mkdir()
        (self.certificates / "index").write_text("")
        (self.certificates / "ca.conf").write_text(
            "[ca]\ndefault_ca=d\n[d]\ndatabase=index\nrand_serial=yes\nnew_certs_dir=.\npolicy=p\n"
            "default_md=sha256\nunique_subject=no\n[p]\ncommonName=supplied\n[req]\ndistinguished_name=n\n[n]\n")
        for name in ("ca", "stranger"):  # the second is a CA that nobody trusts
            self._openssl("req", "-config", "ca.conf", "-x509", *self.KEYS["ec"], "-days", "30", "-subj", "/CN=" + name,
                          "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=keyCertSign", "-addext",
                          "subjectKeyIdentifier=hash", "-keyout", name + ".key", "-out", name + ".crt")
            shutil.copy(self.certificates / (name + ".crt"), self.certificates / (name + ".pem"))
        self.make_certificate("good", "DNS:smtp.example.net,DNS:submission.example.net,DNS:mx.postfix.example,"
                                      "DNS:mx.exim.example")

    KEYS = {"ec": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
            "p384": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp384r1", "-nodes"],
            "rsa": ["-newkey", "rsa:2048", "-nodes"]}

    def _openssl(self, *words):
        sh("openssl", *words, cwd=self.certificates, stderr=subprocess.DEVNULL)

    def make_certificate(self, name, names="", issuer="ca", key="ec", common_name="server", purpose="serverAuth",
                         is_ca=False, dates=(None, None), chain=()):
        """Makes a certificate; gives the path of a file of its key, itself and the chain of names given.

        names is a subjectAltName; dates are first and last second as YYYYMMDDHHMMSSZ; issuer may be any certificate
        made before, or the name itself for a self-signed one.
        """
        hour = 3600
        first, last = (date or time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + shift))
                       for date, shift in zip(dates, (-hour, 480 * hour)))
        (self.certificates / (name + ".ext")).write_text(
            "basicConstraints=critical,CA:%s\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n%s%s"
            % ("TRUE" if is_ca else "FALSE", "subjectAltName=%s\n" % names if names else "",
               "extendedKeyUsage=%s\n" % purpose if purpose and not is_ca else ""))
        self._openssl("req", "-config", "ca.conf", *self.KEYS[key], "-subj", "/CN=" + common_name, "-keyout", name + ".key",
                      "-out", name + ".csr")
        signer = ["-selfsign"] if issuer == name else ["-cert", issuer + ".crt"]
        self._openssl("ca", "-batch", "-notext", "-config", "ca.conf", *signer, "-keyfile", issuer + ".key", "-in",
                      name + ".csr", "-out", name + ".crt", "-startdate", first, "-enddate", last, "-extfile", name + ".ext")
        parts = [name + ".key", name + ".crt", *(part + ".crt" for part in chain)]
        path = self.certificates / (name + ".pem")
        path.write_text("".join((self.certificates / part).read_text() for part in parts))
        os.chmod(path, 0o644)
        return str(path)

    @property
    def ca(self):
        return str(self.certificates / "ca.pem")

    # ---- mail servers ----

    def _make_boxes(self, server):
        boxes = self.folder / ("boxes-" + server)
        boxes.mkdir()
        os.chown(boxes, self.box.pw_uid, self.box.pw_gid)
        return boxes

    def stored(self, server, user="ops"):
        """The mails a server has stored for a user, oldest first, as bytes."""
        found = sorted(glob.glob(str(self.folder / ("boxes-" + server) / user / "new" / "*")), key=os.path.getmtime)
        return [pathlib.Path(path).read_bytes() for path in found]

    def start_postfix(self):
        folder = self.folder / "postfix"
        queue, config, data = folder / "queue", folder / "config", folder / "data"
        boxes = self._make_boxes("postfix")
        user, drop = pwd.getpwnam("postfix").pw_uid, USERS["postdrop"]
        for path in (queue, config, data):
            path.mkdir(parents=True)
        os.chown(data, user, -1)
        for name in "active bounce corrupt defer deferred flush hold incoming maildrop private public saved trace".split():
            (queue / name).mkdir()
            os.chown(queue / name, user, -1)
        (queue / "pid").mkdir()
        os.chown(queue / "maildrop", user, drop)
        os.chmod(queue / "maildrop", 0o730)
        os.chown(queue / "public", user, drop)
        os.chmod(queue / "public", 0o710)
        domains = "postfix.example 4.postfix.example 6.postfix.example alias.example moved.example mail.moved.example implicit.example " \
                  "backup.example refused.example missing.example two.example large.example self.example far.example"
        good = self.certificates / "good.pem"
        (config / "main.cf").write_text("\n".join([
            "compatibility_level = 3.6", "queue_directory = %s" % queue, "data_directory = %s" % data,
            "command_directory = /usr/sbin", "daemon_directory = /usr/lib/postfix/sbin",
            "shlib_directory = /usr/lib/postfix", "meta_directory = %s" % config, "mail_owner = postfix",
            "setgid_group = postdrop", "myhostname = mx.postfix.example", "mydestination =", "local_recipient_maps =",
            "cyrus_sasl_config_path = %s/sasl" % config, "mynetworks =", "relay_domains =",
            "inet_interfaces = 192.0.2.10, 2001:db8::10", "inet_protocols = all", "local_transport = error:none",
            "virtual_mailbox_domains = " + domains, "virtual_mailbox_base = %s" % boxes,
            "virtual_mailbox_maps = inline:{ %s }" % ", ".join(
                "%s@%s=%s/" % (name, domain, name) for domain in domains.split() for name in ("ops", "dev")), "import_environment = MAIL_CONFIG",
            "virtual_uid_maps = static:%d" % self.box.pw_uid, "virtual_gid_maps = static:%d" % self.box.pw_gid,
            "virtual_minimum_uid = 1", "smtpd_tls_security_level = may", "smtpd_tls_chain_files = %s" % good,
            "smtpd_recipient_restrictions = reject_unauth_destination", "message_size_limit = 30000000",
            "virtual_mailbox_limit = 0", "smtpd_peername_lookup = no", "strict_rfc821_envelopes = yes",
            "maillog_file = %s/postfix.log" % folder, "maillog_file_prefixes = %s" % folder, ""]))
        (config / "sasl").mkdir()  # Debian 12's Postfix has Cyrus SASL look here whatever it is told
        (config / "sasl/smtpd.conf").write_text("pwcheck_method: auxprop\nauxprop_plugin: sasldb\n"
                                                "mech_list: PLAIN LOGIN\nsasldb_path: %s/sasldb\n" % config)
        name, realm = USER.split("@")
        self.spawn("postfix", "saslpasswd2", "-p", "-c", "-f", str(config / "sasldb"), "-u", realm, name,
                   text=PASSWORD).wait(10)
        os.chown(config / "sasldb", user, -1)
        (config / "master.cf").write_text(
            "smtp inet n - n - - smtpd\ncleanup unix n - n - 0 cleanup\nqmgr unix n - n 300 1 qmgr\n"
            "tlsmgr unix - - n 1000? 1 tlsmgr\nrewrite unix - - n - - trivial-rewrite\nbounce unix - - n - 0 bounce\n"
            "defer unix - - n - 0 bounce\ntrace unix - - n - 0 bounce\nerror unix - - n - - error\n"
            "retry unix - - n - - error\nvirtual unix - n n - - virtual\nproxymap unix - - n - - proxymap\n"
            "smtp unix - - n - - smtp\nscache unix - - n - 1 scache\n"
            "anvil unix - - n - 1 anvil\npostlog unix-dgram n - n - 1 postlogd\n"
            + self._submission(587) + self._submission(465, "smtpd_tls_wrappermode=yes")
            + self._submission(2512, "smtpd_tls_mandatory_protocols=TLSv1.2")
            + self._submission(2513, "smtpd_tls_mandatory_protocols=TLSv1.3"))
        self.spawn("postfix", "env", "MAIL_CONFIG=%s" % config, "/usr/lib/postfix/sbin/master", "-d")
        for port in (25, 587, 465, 2512, 2513):
            self.wait_for("192.0.2.10", port, "postfix")

    @staticmethod
    def _submission(port, *more):
        """A service of master.cf that takes mail from those who have a password, and passes it on to anywhere."""
        settings = ["smtpd_tls_security_level=encrypt", "smtpd_tls_loglevel=2", "smtpd_sasl_auth_enable=yes", "smtpd_sasl_security_options=noanonymous",
                    "smtpd_recipient_restrictions=permit_sasl_authenticated,reject", *more]
        return "%d inet n - n - - smtpd\n" % port + "".join("  -o %s\n" % setting for setting in settings)

    EXIM = """
primary_hostname = mx.exim.example
exim_user = box
exim_group = box
deliver_drop_privilege = true
never_users =
spool_directory = {spool}
log_file_path = {spool}/%slog
local_interfaces = <; 192.0.2.11 ; 2001:db8::11
daemon_smtp_ports = 25 : 587 : 465
tls_on_connect_ports = 465
tls_advertise_hosts = *
tls_certificate = {certificates}/good.pem
tls_privatekey = {certificates}/good.pem
host_lookup =
rfc1413_hosts =
keep_environment =
message_size_limit = 30M
acl_smtp_mail = mail
acl_smtp_rcpt = rcpt
acl_smtp_data = data
begin acl
mail:
  deny  condition = ${{if eq{{$received_port}}{{25}}{{no}}{{yes}}}}
        !authenticated = *
        message = 530 5.7.0 Authentication required
  accept
rcpt:
  deny  local_parts = nobody
        message = 550 5.1.1 No such user here
  defer local_parts = later
        message = 451 4.7.1 Greylisted, come again
  accept
data:
  accept
begin routers
boxes:
  driver = accept
  transport = box
begin transports
box:
  driver = appendfile
  directory = {boxes}/ops
  maildir_format
  create_directory
  mode = 0644
  directory_mode = 0755
begin retry
* * F,1h,5m
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_advertise_condition = ${{if def:tls_in_cipher}}
  server_condition = ${{if and{{{{eq{{$auth2}}{{{user}}}}}{{eq{{$auth3}}{{{password}}}}}}}}}
  server_set_id = $auth2
login:
  driver = plaintext
  public_name = LOGIN
  server_advertise_condition = ${{if def:tls_in_cipher}}
  server_prompts = Username:: : Password::
  server_condition = ${{if and{{{{eq{{$auth1}}{{{user}}}}}{{eq{{$auth2}}{{{password}}}}}}}}}
  server_set_id = $auth1
"""

    def start_exim(self):
        spool = self.folder / "exim"
        spool.mkdir()
        os.chown(spool, self.box.pw_uid, self.box.pw_gid)
        boxes = self._make_boxes("exim")
        config = self.folder / "exim.conf"
        config.write_text(self.EXIM.format(spool=spool, certificates=self.certificates, boxes=boxes, user=USER,
                                           password=PASSWORD))
        os.chmod(config, 0o644)
        self.spawn("exim4-daemon-light", "/usr/sbin/exim4", "-C", str(config), "-bdf", "-q1h")
        for port in (25, 465, 587):
            self.wait_for("192.0.2.11", port, "exim4-daemon-light")

    def start_opensmtpd(self):
        boxes = self._make_boxes("opensmtpd")
        spool = self.folder / "opensmtpd"
        (spool / "spool").mkdir(parents=True)
        os.chmod(spool, 0o711)
        os.chmod(spool / "spool", 0o711)
        config = self.folder / "smtpd.conf"
        config.write_text(
            'listen on 192.0.2.12 port 25 hostname mx.opensmtpd.example\n'
            'listen on 2001:db8::12 port 25 hostname mx.opensmtpd.example\n'
            'table domains { opensmtpd.example, 4.opensmtpd.example, 6.opensmtpd.example }\n'
            'action keep maildir "%s/ops" virtual { "@" = box }\n'
            'match from any for domain <domains> action keep\n' % boxes)
        script = ("mkdir -p /var/spool/smtpd /var/lib/opensmtpd/empty && mount --bind %s/spool /var/spool/smtpd && "
                  "exec /usr/sbin/smtpd -d -f %s" % (spool, config))
        self.spawn("opensmtpd", "sh", "-c", "mount -t tmpfs tmpfs /var/spool && mount -t tmpfs tmpfs /var/lib && " + script)
        self.wait_for("192.0.2.12", 25, "opensmtpd")

    # ---- the device ----

    def mailmote(self, *words, stdin=b"", options=(), **more):
        """Runs the command-line program on the device: (exit code, stdout, stderr)."""
        words = list(words)
        defaults = ["hello_name=device.example.net"]
        if not any(option.startswith("dns_server=") for option in options):
            defaults.append("dns_server=192.0.2.54")
        words[1:1] = ["-C", "/dev/null", *(word for option in [*defaults, *options] for word in ("-o", option))]
        program = os.environ.get("MAILMOTE", str(TOP / "build/mailmote"))
        done = self.on_device(program, *words, input=stdin, **more)
        return done.returncode, done.stdout.decode("latin-1"), done.stderr.decode("latin-1")
