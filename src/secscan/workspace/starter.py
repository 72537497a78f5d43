"""A new workspace: every key there is, explained, with one agency that stands for those to come."""

from datetime import date, timedelta
from pathlib import Path

from secscan.language import _
from secscan.scope import ProbeLog
from secscan.toml_source import shown_path
from secscan.workspace.place import Workspace, WorkspaceError


def write_new(folder: Path, *, today: date) -> Workspace:
    """Writes a workspace that loads without a mistake into ``folder``; its scope is valid for a year from ``today``.

    Raises WorkspaceError where any of its files is there already: nothing is overwritten, and nothing written.
    """
    place = Workspace(folder.absolute())
    files = {
        place.settings: _SETTINGS,
        place.scope: _SCOPE.replace("EXPIRES", (today + timedelta(days=365)).isoformat()),
        place.inventory / "example.toml": _AGENCY,
        place.waivers: _WAIVERS.replace("EXPIRES", (today + timedelta(days=90)).isoformat()),
        place.folder / ".gitignore": _GITIGNORE,
    }
    # What lies there would be believed: findings, advisories, and the keys of hosts.
    others = (place.probe_log, place.database, place.feeds, place.known_hosts)
    taken = [path for path in (*files, *others) if path.exists() or path.is_symlink()]
    if taken:
        raise WorkspaceError(
            _("nothing was written, because there is already: {files}").format(
                files=", ".join(shown_path(path) for path in taken)
            )
        )
    # What is written here, and later beside it, is a map of what an agency runs and where it is weak.
    place.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for part in (place.inventory, place.profiles, place.checks, place.anchors):
        part.mkdir(exist_ok=True)
    for path, text in files.items():
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    ProbeLog(place.probe_log).close()  # Readable to the owner alone, as the database will be.
    return place


# In these files a line that begins "#" and a blank explains; one that begins "#" alone is a key with the value
# it may have, to be uncommented.

_SETTINGS = """\
# The settings of this workspace. Lines that begin with "#" and no blank are keys with an example; take the "#" off.

# The baseline that agencies are held to: "baseline" (TLS, certificates, ports, patch levels, backups; what no login
# shows counts as unknown), "network" (what is seen without a login), one of the security levels "level-1" to "level-5",
# or one of your own in profiles/. See: secscan profiles list
profile = "baseline"

# The language of pages and messages: "en" or "vi".
language = "en"

# Times are shown in this zone.
time_zone = "Asia/Ho_Chi_Minh"

[collection]
# Processes that look at hosts at the same time; without it, one for each core.
#workers = 2

# The network zone that scans look from, as the inventory calls it: what only its own zone should reach is judged by it.
#zone = "centre"

# The seconds that any one target may take. What takes longer is ended, and stays unknown.
deadline = 60.0

[collection.ports]
# The ports asked on every host that does not name its own: "top-1000", the most common, or ranges such as
# "22,443,8000-8100".
default = "top-1000"

# Ask open ports what runs behind them (with nmap).
version_detection = true

# Ask the short list of UDP ports, too (with nmap, and as root): names, time, management and the like.
udp = true

[ssh]
# The seconds that looking at one host from the inside may take, and the hosts that are looked at at a time.
deadline = 60.0
at_once = 16

# Letters to owners (secscan letter) tell of a finding when it is first seen, halfway to its deadline, the day before,
# and after it every so many days.
[letters]
half = true
every_days = 7

# Logins for looking from the inside, one table each; hosts name theirs by "credential" in the inventory. Passwords,
# passphrases and keys are never in this file: it says only where they are kept. What each host has to allow:
# secscan explain-access HOST
#[credentials.audit]
# The account. It needs no rights.
#user = "secscan"
#port = 22

# Its private key, outside this folder best, and readable to its owner alone. A relative path begins at this folder.
#key_file = "~/.ssh/secscan_ed25519"

# Optional: the certificate for the key; without it, the one beside the key is taken.
#certificate = "~/.ssh/secscan_ed25519-cert.pub"

# Optional: the name of the environment variable that holds the passphrase of the key, or, without a key_file, the
# password of the account.
#password_env = "SECSCAN_PASSPHRASE"

# Optional: where the account may run a few commands as root without a password (secscan explain-access).
#sudo = true

# Optional: the jump hosts on the way, from here on, each with the login it wants, or this same one. How the first is
# reached, its own login says. They too must be in the scope.
  #[[credentials.audit.jump]]
  #address = "192.0.2.1"
  #port = 22
  #credential = "gateway"

#[credentials.gateway]
#user = "secscan"

# Ask the SSH agent (ssh-add).
#agent = true

# Or the keyring of this machine: the name of the service that the password is kept under, for this user.
#keyring = "secscan-gateway"
"""

_SCOPE = """\
# What may be probed. Every connection is held against this file, by the address it goes to, at the moment it is
# made. What is not allowed here is never touched, whatever the inventory says.

# Who answers for these probes, and the last day of that leave. After it nothing is scanned until it is renewed.
owner = "The name of whoever gave leave to probe"
expires = EXPIRES

# The time zone of that day, and of windows that name none.
zone = "Asia/Ho_Chi_Minh"

# Networks and single addresses that may be probed. These are set aside for documentation (RFC 5737, RFC 3849):
# write your own.
networks = ["192.0.2.0/24", "2001:db8::/32"]

# With names here, only these may be looked up or asked for; "*.example" is every name below it. A name never
# widens the networks: it must also lead to an address in one of them.
#names = ["*.vi-du.example"]

# Networks, addresses and names that are never probed, though they lie within.
exclude = ["192.0.2.254"]

[rates]
# The most connections that are begun in a second, by all workers together, and to any one address.
connections_per_second = 1000
per_host = 200

# With windows, probing happens only within them, from "from" until just before "to". A window whose "to" comes
# before its "from" ends on the next day; its days are those it begins on. There may be several.
#[[window]]
#days = ["mon", "tue", "wed", "thu", "fri"]
#from = 22:00:00
#to = 05:00:00
#zone = "Asia/Ho_Chi_Minh"

# Who is talked to in the course of a scan, with or without a port. They are contacted, never probed.
[contact]
#resolvers = ["192.0.2.53"]
#ocsp = ["ocsp.vi-du.example"]
#crl = ["crl.vi-du.example"]
#broker = ["broker.vi-du.example:6379"]
#database = ["db.vi-du.example:5432"]
#mail = ["mail.vi-du.example:587"]
"""

_AGENCY = """\
# One agency and its hosts. Write one file like this for each agency; subfolders are fine.
# See what is wrong with it: secscan inventory check

[agency]
# Unique among agencies, and never changed: lower-case ASCII letters, digits, "-", "." and "_".
id = "co-quan-vi-du"

# The agency's name in each language its pages are written in.
names = { vi = "Cơ quan Ví dụ", en = "Example Agency" }

# Optional: its tier, in your own words; the agency it belongs to; its network zone.
tier = "province"
#parent = "bo-vi-du"
zone = "wan"

# Optional: whom to write to. There may be several.
[[agency.contact]]
name = "Nguyễn Văn A"
email = "an-toan@vi-du.example"
#phone = "+84 24 0000 0000"

[[host]]
# Unique in the whole inventory, and kept when the host moves to another agency.
id = "vi-du-cong"

# Every address is looked at. Names are looked up too, unless "resolve" is false; the first is what a service
# is asked for that names none. A host needs an address, or a name that can be looked up.
addresses = ["192.0.2.10", "2001:db8::10"]
names = ["cong.vi-du.example"]
resolve = false

# Optional: what it is for, where it stands, its security level (1 to 5), and how much it weighs in the
# agency's score (1 to 5).
role = "portal"
zone = "dmz"
#level = 3
criticality = 3

# Optional: the name of the login for looking from the inside, never the secret itself.
#credential = "audit"

# Optional: the ports asked on this host instead of the usual ones.
#ports = "22,443,8000-8100"

# Optional: ports that are not to answer; they are asked in every scan, and one that answers is a finding.
#closed = "23,3306"

# Optional: it is known to be protected well ("good"), or on purpose not ("bad"). A run that looks at it and says
# otherwise is put in quarantine: shown, and nothing of it counts.
#canary = "good"

# Optional: the DNS zones it serves. It is asked for each of them whole, to see that it does not give them to anybody.
#dns_zones = ["vi-du.example"]

# Optional: from and until which day it is this agency's.
#since = 2026-01-01
#until = 2031-01-01

  # The services that should be there. One that is missing, and one that is open and not declared, is a finding.
  [[host.service]]
  port = 443
  # Optional: tcp or udp.
  #transport = "tcp"
  # Optional: the virtual hosts, each looked at on its own.
  server_names = ["cong.vi-du.example", "dich-vu.vi-du.example"]
  # Optional: required, optional or none; without it the profile's list of ports decides.
  tls = "required"
  # Optional: what it is, in your own words.
  what = "public portal"

  # Optional: the backup that is to survive the host, one table for each; every rung of the ladder must hold for it.
  # It is found by its tool, by the name that the tool gives it, or by a path of the files that it leaves.
  #[[host.backup]]
  #tool = "restic"
  #name = "sftp:sao-luu.vi-du.example:/restic/portal"
  #path = "/srv/dumps/*.sql.gz"
  # The host of the inventory on which to look for it, where that is not this one.
  #on = "vi-du-thu"
  #must_contain = ["/etc", "/srv/portal", "database portal"]
  #recovery_point = "24h"
  #minimum_size = "10 GiB"
  #keep = "30d"
  # The host at another site that it goes to, as the tool addresses it.
  #off_site = "sao-luu.vi-du.example"
  #immutable = true
    # Restores that were tested: shown as attested, never as observed.
    #[[host.backup.restore_test]]
    #date = 2026-01-31
    #by = "Nguyễn Văn A"
    #evidence = "BB-01/2026"

[[host]]
id = "vi-du-thu"
addresses = ["192.0.2.25"]
role = "mail"

  [[host.service]]
  port = 25
  tls = "optional"
"""

_GITIGNORE = """\
secscan.db*
feeds.db*
probes.jsonl
"""

_WAIVERS = """\
# Failures that are left as they are for a while, by whose leave and until when: one table for each. What is waived
# stays in the inherent score, and is left out of the adjusted one. `secscan waive` adds to this file; what has
# become of each is told by: secscan waivers

#[[waiver]]
# The id of a finding, from `secscan findings`; or patterns such as "tls.*" for those that are meant: agency, role,
# check, object. All that are given have to fit.
#agency = "example"
#check = "tls.old-versions"
#reason = "The printers speak nothing newer; they are replaced in spring."
# Who sees to it, and who gave leave: another person.
#owner = "Name of the owner"
#approver = "Name of the approver"
# The last day it holds, at most 365 days ahead; from then on the finding is open again.
#expires = EXPIRES
# "central" lifts the cap of a critical failure too.
#approved_by = "agency"
"""
