"""Replies of systems that could not be had for the tests: composed from documentation, not captured."""

from typing import Any

from secscan.collection.ssh.framing import Reply, read_reply
from tests.lab.ssh import reply

NONCE = "0123456789abcdef0123456789abcdef"


def composed(sections: dict[str, str], *, at: int = 1_780_000_000) -> Reply:
    found = read_reply(reply(sections, NONCE, at=at), NONCE)
    assert isinstance(found, Reply)
    return found


#: Rocky Linux 9 with dnf, read as root. Composed, not captured.
ROCKY = {
    "release": 'NAME="Rocky Linux"\nVERSION="9.4 (Blue Onyx)"\nID="rocky"\nID_LIKE="rhel centos fedora"\n'
    'VERSION_ID="9.4"\nPRETTY_NAME="Rocky Linux 9.4 (Blue Onyx)"',
    "uname": "Linux\n5.14.0-427.13.1.el9_4.x86_64\nx86_64",
    "clock": "btime 1770000000\nNTPSynchronized=yes\nLeap status     : Normal",
    "kernels": "/boot/vmlinuz-0-rescue-5c2f\n/boot/vmlinuz-5.14.0-427.13.1.el9_4.x86_64\n"
    "/lib/modules/5.14.0-427.13.1.el9_4.x86_64",
    "reboot": "",
    "rpm": (
        "bash\t(none)\t5.1.8\t9.el9\tx86_64\tbash-5.1.8-9.el9.src.rpm\t1760000000\t(none)\n"
        "openssl-libs\t1\t3.0.7\t27.el9\tx86_64\topenssl-3.0.7-27.el9.src.rpm\t1760000500\t(none)\n"
        "nodejs\t1\t18.20.2\t2.module+el9\tx86_64\tnodejs-18.20.2-2.module+el9.src.rpm\t1750000000\t"
        "nodejs:18:9040020240301:rhel9\n"
        "kernel-core\t(none)\t5.14.0\t427.13.1.el9_4\tx86_64\tkernel-5.14.0-427.13.1.el9_4.src.rpm\t1750000000\t(none)\n"
        "kernel-core\t(none)\t5.14.0\t427.16.1.el9_4\tx86_64\tkernel-5.14.0-427.16.1.el9_4.src.rpm\t1750000001\t(none)\n"
        "zero\t0\t1\t1\tnoarch\tzero-1-1.src.rpm\t1\t(none)\n"
        "gpg-pubkey\t(none)\t350d275d\t6279464b\t(none)\t(none)\t1750000000\t(none)"
    ),
    "rpm-origins": "[baseos]\nmirrorlist=https://mirrors.example/?repo=BaseOS\nenabled=1\n"
    "[extras]\nbaseurl=https://mirror.example/extras\nenabled=0\n[internal]\nbaseurl=https://repo.example/i",
    "rpm-metadata": "1769990000 /var/cache/dnf/baseos-0123456789abcdef/repodata/repomd.xml\n"
    "1500000000 /var/cache/dnf/extras-0123456789abcdef/repodata/repomd.xml\n"
    "1769980000 /var/cache/dnf/internal-0123456789abcdef/repodata/repomd.xml",
    "rpm-held": "versionlock.list nodejs-1:18.20.2-2.module+el9.*\nversionlock.list !other-0:1-1.*\n"
    "conf exclude=kernel* php",
    "rpm-pending": "\nopenssl-libs.x86_64                    1:3.0.7-28.el9_4               baseos\n"
    "a-very-long-name-that-makes-dnf-break-the-line-where-it-likes.noarch\n"
    "                                       2-1.el9                        internal\nbash.x86_64   5.1.8-10.el9   baseos\n"
    "Obsoleting Packages\nx.noarch 1 baseos\n=100",
    "rpm-security": "RLSA-2026:1234 Important/Sec. openssl-libs-1:3.0.7-28.el9_4.x86_64",
    "rpm-foreign": "Extra Packages\nagent.x86_64              1.0-1                 @commandline",
    "automatic": "file /etc/dnf/automatic.conf\napply_updates = yes\nunit dnf-automatic.timer enabled",
}

#: AlmaLinux 9 with dnf, an ordinary account; a C library updated since it booted. Composed, not captured.
ALMA = {
    "release": 'NAME="AlmaLinux"\nVERSION="9.5 (Teal Serval)"\nID="almalinux"\nID_LIKE="rhel centos fedora"\n'
    'VERSION_ID="9.5"\nPLATFORM_ID="platform:el9"\nPRETTY_NAME="AlmaLinux 9.5 (Teal Serval)"',
    "uname": "Linux\n5.14.0-503.11.1.el9_5.x86_64\nx86_64",
    "clock": "btime 1770000000\nLeap status     : Not synchronised",
    "kernels": "=126",
    "reboot": "",
    "rpm": (
        "glibc\t0\t2.34\t125.el9_5.1\tx86_64\tglibc-2.34-125.el9_5.1.src.rpm\t1771000000\t(none)\n"
        "bash\t(none)\t5.1.8\t9.el9\tx86_64\tbash-5.1.8-9.el9.src.rpm\t1772000000\t(none)\n"
        "kernel-core\t(none)\t5.14.0\t503.11.1.el9_5\tx86_64\tkernel-5.14.0-503.11.1.el9_5.src.rpm\t1760000000\t(none)"
    ),
    "rpm-origins": "[baseos]\nmirrorlist=https://mirrors.example/9/baseos\nenabled=1\n?unread",
    "rpm-metadata": "",
    "rpm-held": "",
    "rpm-pending": "=126",
    "rpm-security": "=126",
    "rpm-foreign": "=126",
    "automatic": "unit dnf-automatic.timer disabled\nunit dnf-automatic-install.timer disabled",
    "programs": "=126",
}

#: Amazon Linux 2023 with dnf, read as root. Composed, not captured.
AMAZON = {
    "release": 'NAME="Amazon Linux"\nVERSION="2023"\nID="amzn"\nID_LIKE="fedora"\nVERSION_ID="2023"\n'
    'PLATFORM_ID="platform:al2023"\nPRETTY_NAME="Amazon Linux 2023.6.20250218"',
    "uname": "Linux\n6.1.128-136.201.amzn2023.x86_64\nx86_64",
    "clock": "btime 1770000000\nNTPSynchronized=yes",
    "kernels": "/boot/vmlinuz-6.1.128-136.201.amzn2023.x86_64\n/lib/modules/6.1.128-136.201.amzn2023.x86_64",
    "reboot": "",
    "rpm": (
        "kernel\t(none)\t6.1.128\t136.201.amzn2023\tx86_64\tkernel-6.1.128-136.201.amzn2023.src.rpm\t1760000000\t(none)\n"
        "openssl-libs\t1\t3.0.8\t1.amzn2023.0.18\tx86_64\topenssl-3.0.8-1.amzn2023.0.18.src.rpm\t1765000000\t(none)"
    ),
    "rpm-origins": "[amazonlinux]\nmirrorlist=https://cdn.example/core/mirrors/$releasever/$basearch/mirror.list\nenabled=1",
    "rpm-metadata": "1769990000 /var/cache/dnf/amazonlinux-0123456789abcdef/repodata/repomd.xml",
    "rpm-held": "",
    "rpm-pending": "=0",
    "rpm-security": "=0",
    "rpm-foreign": "=0",
    "automatic": "unit dnf-automatic-install.timer enabled",
    "sockets": "Netid State  Recv-Q Send-Q Local Address:Port Peer Address:PortProcess\n"
    'tcp   LISTEN 0      128    0.0.0.0:22        0.0.0.0:*    users:(("sshd",pid=1600,fd=3))',
    "firewall": "nft hooks 0\niptables rules 0",
    "programs": "sshd",
}

#: An appliance of Buildroot's: busybox, no package manager, no systemd. Composed, not captured.
APPLIANCE = {
    "release": 'NAME=Buildroot\nVERSION=2024.02.3\nID=buildroot\nVERSION_ID=2024.02.3\nPRETTY_NAME="Buildroot 2024.02.3"',
    "uname": "Linux\n5.10.4\narmv7l",
    "clock": "btime 1770000000",
    "kernels": "",
    "reboot": "",
    "mounts": "/dev/root / squashfs ro,relatime 0 0\ntmpfs /tmp tmpfs rw 0 0",
    "sizes": "Filesystem           1024-blocks    Used Available Use% Mounted on\n/dev/root                20480     20480         0 100% /",
    "sockets": "tcp    0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1234",
    "firewall": "",
    "timers": "=3",
    "services": "=3",
    "cron": "file /etc/crontabs/root\nline 0 3 * * * /usr/sbin/upload-logs",
    "automatic": "",
    "changed": "",
    "programs": "=126",
}

#: Windows Server 2022, as the JSON of the PowerShell script. Composed from Microsoft's documentation, not captured.
WINDOWS_SERVER: dict[str, Any] = {
    "product": "Windows Server 2022 Datacenter",
    "type": "Server",
    "version": "21H2",
    "build": "20348",
    "revision": 2527,
    "kernel": "10.0.20348",
    "architecture": "AMD64",
    "booted": 1779000000,
    "hotfixes": ["KB5037782", "KB5012170"],
    "searched": 1779900000,
    "installed": 1779800000,
    "reboot": True,
    "synchronised": True,
    "updates-off": False,
    "options": 4,
}

#: Alpine 3.20, an ordinary account. Composed, not captured.
ALPINE = {
    "release": 'NAME="Alpine Linux"\nID=alpine\nVERSION_ID=3.20.3\nPRETTY_NAME="Alpine Linux v3.20"',
    "uname": "Linux\n6.6.49-0-lts\nx86_64",
    "kernels": "/boot/vmlinuz-lts\n/lib/modules/6.6.49-0-lts",
    "apk": "P:busybox\nV:1.36.1-r29\nA:x86_64\no:busybox\n\nP:ssl_client\nV:1.36.1-r29\nA:x86_64\no:busybox\n\n"
    "P:linux-lts\nV:6.6.49-r0\nA:x86_64\no:linux-lts\n",
    "apk-pending": "Installed:                                Available:\n"
    "busybox-1.36.1-r29                      < 1.36.1-r31 \nssl_client-1.36.1-r29 < 1.36.1-r31 @edge",
    "apk-origins": "https://dl.example/alpine/v3.20/main\n@edge https://user:word@dl.example/alpine/edge/main",
    "apk-metadata": "1779000000 /var/cache/apk/APKINDEX.1.tar.gz\n1779900000 /var/cache/apk/APKINDEX.2.tar.gz",
    "apk-world": "alpine-base\nopenssl=3.3.1-r0\nbash>5\nnginx<1.27\ntool@edge",
    "cron": "unread /var/spool/cron/crontabs",
    "changed": "1778000000 /lib/apk/db/installed",
}

#: Arch Linux. Composed, not captured.
ARCH = {
    "release": "ID=arch\nPRETTY_NAME='Arch Linux'",
    "uname": "Linux\n6.10.5-arch1-1\nx86_64",
    "kernels": "/boot/vmlinuz-linux\n/lib/modules/6.10.5-arch1-1",
    "pacman": "\nbash\t%VERSION% 5.2.032-2\t%BASE% bash\t%ARCH% x86_64\t%INSTALLDATE% 1770000000"
    "\nlinux\t%VERSION% 6.10.6.arch1-1\t%BASE% linux\t%ARCH% x86_64\t%INSTALLDATE% 1771000000\n",
    "pacman-pending": "bash 5.2.032-2 -> 5.2.037-1\nlinux 6.10.6.arch1-1 -> 6.11.arch1-1 [ignored]",
    "pacman-foreign": "\n=1",
    "pacman-origins": "1779000000 /var/lib/pacman/sync/core.db\n1770000000 /var/lib/pacman/sync/extra.db\n"
    "[options]\nIgnorePkg = linux\n[core]\nInclude = /etc/pacman.d/mirrorlist\n[extra]\nServer = https://x.example/$repo",
    "cron": "",
}

#: SLES 15 with zypper. Composed, not captured.
SLES = {
    "release": 'NAME="SLES"\nVERSION_ID="15.5"\nID="sles"\nPRETTY_NAME="SUSE Linux Enterprise Server 15 SP5"',
    "uname": "Linux\n5.14.21-150500.55.52-default\nx86_64",
    "reboot": "zypper 102",
    "rpm": "curl\t(none)\t8.0.1\t150400.5.41.1\tx86_64\tcurl-8.0.1-150400.5.41.1.src.rpm\t1700000000\t(none)",
    "rpm-held": "locks solvable_name: kernel-default",
    "rpm-pending": "S | Repository      | Name | Current Version | Available Version | Arch\n"
    "--+-----------------+------+-----------------+-------------------+-------\n"
    "v | SLE-Updates     | curl | 8.0.1-150400.5.41.1 | 8.0.1-150400.5.44.1 | x86_64",
    "rpm-foreign": "S  | Repository | Name  | Version | Arch\n---+---\ni+ | @System | agent | 1.0-1 | x86_64",
    "rpm-origins": "[SLES15-LTSS-Updates]\nbaseurl=https://u.example/\nenabled=1",
}

#: Ubuntu 22.04 with Ubuntu Pro, under systemd. Composed, not captured.
UBUNTU = {
    "release": 'PRETTY_NAME="Ubuntu 22.04.4 LTS"\nNAME="Ubuntu"\nVERSION_ID="22.04"\nVERSION_CODENAME=jammy\nID=ubuntu\n'
    "ID_LIKE=debian",
    "uname": "Linux\n5.15.0-100-generic\nx86_64",
    "clock": "btime 1770000000\nNTPSynchronized=no",
    "kernels": "/boot/vmlinuz-5.15.0-100-generic\n/boot/vmlinuz-5.15.0-112-generic",
    "reboot": "wanted /run/reboot-required\nkept /usr/share/update-notifier/notify-reboot-required\n"
    "package linux-image-5.15.0-112-generic\npackage linux-base",
    "dpkg": "ii \tlinux-image-5.15.0-100-generic\t5.15.0-100.110\tamd64\tlinux-signed\t5.15.0-100.110\n"
    "ii \tlinux-image-5.15.0-112-generic\t5.15.0-112.122\tamd64\tlinux-signed\t5.15.0-112.122\n"
    "ii \tlinux-image-generic\t5.15.0.112.112\tamd64\tlinux-meta\t5.15.0.112.112\n"
    "ii \topenssl\t3.0.2-0ubuntu1.12\tamd64\topenssl\t3.0.2-0ubuntu1.12\n"
    "hi \tnginx\t1.18.0-6ubuntu14.3\tamd64\tnginx\t1.18.0-6ubuntu14.3\n"
    "ii \tunattended-upgrades\t2.8ubuntu1\tall\tunattended-upgrades\t2.8ubuntu1\n"
    "rc \told\t1-1\tamd64\told\t1-1\nun \tnever\t\t\tnever\t",
    "apt-origins": "https://esm.ubuntu.com/apps/ubuntu/\tjammy-apps-security\tjammy-apps-security\tjammy\tUbuntuESMApps\t"
    "UbuntuESMApps\nhttp://u:p@archive.example/ubuntu/\tjammy\tjammy\tjammy\tUbuntu\tUbuntu\n"
    "http://archive.example/ubuntu/\tjammy-security\tjammy-security\tjammy\tUbuntu\tUbuntu",
    "apt-metadata": "1779990000 /var/lib/apt/lists\n1779999000 /var/lib/apt/periodic/update-success-stamp\n"
    "1770000000 /var/lib/apt/lists/archive.example_Packages",
    "apt-settings": 'APT::Periodic::Update-Package-Lists "1";\nAPT::Periodic::Unattended-Upgrade "1";\n'
    'Unattended-Upgrade::Allowed-Origins:: "${distro_id}:${distro_codename}-security";',
    "apt-pending": "Inst openssl [3.0.2-0ubuntu1.12] (3.0.2-0ubuntu1.15 Ubuntu:22.04/jammy-updates, "
    "Ubuntu:22.04/jammy-security [amd64])\nInst tzdata [2023c] (2024a Ubuntu:22.04/jammy-updates [all]) []\n"
    "Inst new-dependency (1 Ubuntu:22.04/jammy [amd64])\nConf openssl (3.0.2 Ubuntu:22.04/jammy-updates [amd64])",
    "apt-foreign": "apt 2.4.11 (amd64)\nListing...\nagent/now 1.0 amd64 [installed,local]",
    "automatic": "unit apt-daily-upgrade.timer enabled",
    "changed": "1775000000 /var/lib/dpkg/status",
    "timers": "Id=backup.timer\nUnit=backup.service\nUnitFileState=enabled\nLastTriggerUSec=Wed 2026-05-27 02:00:01 UTC\n\n"
    "Id=never.timer\nUnit=never.service\nUnitFileState=disabled\nLastTriggerUSec=n/a",
    "services": "Id=backup.service\nResult=exit-code\nExecMainExitTimestamp=Wed 2026-05-27 02:10:00 UTC\nExecMainStatus=2\n"
    "ExecStart={ path=/usr/bin/restic ; argv[]=/usr/bin/restic backup --password=hunter2 /srv ; ignore_errors=no ; "
    "start_time=[n/a] }\nActiveState=failed\n\nId=never.service\nResult=success\nExecMainExitTimestamp=\nExecMainStatus=0",
    "cron": "file /etc/crontab\nline SHELL=/bin/sh\nline 17 *\t* * *\troot    cd / && run-parts /etc/cron.hourly\n"
    "line @daily backup /usr/bin/mysqldump -psecret db\nline garbage\nfile /var/spool/cron/crontabs/bob\n"
    "line */5 * * * * curl -u bob:hunter2 https://x.example/\nunread /var/spool/cron/crontabs/alice\n"
    "run daily /etc/cron.daily/logrotate\nfile /etc/anacrontab\nline 7 10 weekly run-parts /etc/cron.weekly\n"
    "own\nline 0 1 * * * mine",
    "sockets": "Netid State  Recv-Q Send-Q Local Address:Port  Peer Address:Port Process\n"
    'tcp   LISTEN 0      128          0.0.0.0:22         0.0.0.0:*     users:(("sshd",pid=1,fd=3))\n'
    "tcp   LISTEN 0      511                *:80               *:*\n"
    "udp   UNCONN 0      0      127.0.0.53%lo:53         0.0.0.0:*\n"
    "tcp   LISTEN 0      128             [::]:22            [::]:*",
    "firewall": "ENABLED=yes\nunit ufw active\nunit nftables inactive",
    "mounts": "proc /proc proc rw 0 0\n/dev/sda1 / ext4 rw,relatime 0 0\n"
    "//nas/b /mnt/my\\040nas cifs rw,username=u,password=hunter2 0 0",
    "sizes": "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/sda1 100 50 50 50% /\n"
    "//nas/b 2000 1 1 1% /mnt/my nas\n=1",
}
