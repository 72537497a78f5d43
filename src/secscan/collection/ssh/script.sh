# Says what a Linux host is and how it is kept. Reads only, as any account, and writes no file. Where root asks dnf or
# yum, they note that in their own log, as they do for everybody; nothing else is left behind by root either.
#
# Given on standard input to `/bin/sh -s` behind one line that sets nonce, budget, limit and sudo. Installed on a host
# as a forced command it reads that line itself, and nothing else of what it is sent.
#
# Every reading is a frame: the nonce, a name and a number of bytes on a line, then so many bytes. Whatever a host,
# its files or its start-up scripts print, they can't know the nonce, and can't end a frame before its length.

secscan_collect() {
    PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin
    LC_ALL=C
    TZ=UTC
    # dnf and pip ask for these; a proxy of the account's must not be asked for anything.
    HOME=/nonexistent
    export PATH LC_ALL TZ HOME
    # Where apt has no cache to read it makes one in a file without a name: in memory, not on a disk that may be full.
    if [ -d /dev/shm ] && [ -w /dev/shm ]; then
        TMPDIR=/dev/shm
        export TMPDIR
    fi
    unset IFS LANGUAGE COLUMNS APT_CONFIG DNF5_FORCE_INTERACTIVE RPM_CONFIGDIR SYSTEMD_COLORS
    umask 077
    set -f
    newline='
'
    # mksh has no printf of its own, and one from outside takes no more than 128 KB.
    if [ -n "${KSH_VERSION-}" ]; then
        case $KSH_VERSION in *MIRBSD*) set +U ;; esac
        put() { print -rn -- "$1"; }
    else
        put() { printf %s "$1"; }
    fi
    # A shell that counts characters would get the lengths wrong: it has them counted for it.
    two=$(command printf '\303\251' 2>/dev/null)
    if [ "${#two}" -eq 2 ]; then
        count() { length=${#1}; }
    else
        count() { length=$(put "$1" | wc -c); length=$((length)); }
    fi
    if [ "$(echo ab | head -c 1 2>/dev/null)" = a ]; then
        bounded() { head -c "$1"; }
    else
        bounded() { cat; }
    fi
    # busybox before 1.30 wants `timeout -t SECONDS`; what does not understand the usual form does without.
    if timeout 1 true 2>/dev/null </dev/null; then
        within() { timeout "$@"; }
    else
        within() {
            seconds=$1
            shift
            "$@" &
            started=$!
            {
                trap 'kill "$asleep"; exit' TERM
                sleep "$seconds" &
                asleep=$!
                wait "$asleep"
                kill -9 "$started"
            } >/dev/null 2>&1 </dev/null &
            watching=$!
            wait "$started"
            status=$?
            kill "$watching" 2>/dev/null
            return "$status"
        }
    fi
    if [ "$sudo" = 1 ]; then
        as_root() { seconds=$1; shift; within "$seconds" sudo -n "$@"; }
    else
        as_root() { within "$@"; }
    fi
    clock() { read -r up rest 2>/dev/null </proc/uptime && now=${up%%.*} || now=$(date +%s); }
    # The name of a reading, then a command: its output up to the limit, then `=` and its exit status on a line.
    # Output that was cut off has no such line.
    say() {
        name=$1
        shift
        clock
        if [ $((now - began)) -ge "$budget" ]; then
            body="=late"
        else
            body=$({ "$@" </dev/null; status=$?; echo; echo "=$status"; } 2>/dev/null | bounded "$limit")
        fi
        count "$body"
        put "$newline$nonce $name $length$newline"
        put "$body"
    }
    has() { command -v "$1" >/dev/null 2>&1; }
    # zypper keeps a log, a lock and caches for root alone, and rpm's database opens for writing: root asks as nobody.
    if [ "$(id -u)" != 0 ]; then
        as_nobody() { within "$@"; }
    elif setpriv --reuid 65534 --regid 65534 --clear-groups true </dev/null >/dev/null 2>&1; then
        as_nobody() { seconds=$1; shift; within "$seconds" setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
    else
        as_nobody() { return 126; }
    fi

    renice -n 10 -p $$ >/dev/null 2>&1
    ionice -c 3 -p $$ >/dev/null 2>&1 </dev/null
    clock
    began=$now
    put "$newline$nonce begin 1 $(date +%s) $(id -u)$newline"
    exec 2>/dev/null

    say release release
    say uname names
    say clock time_kept
    say kernels kernels
    say reboot reboot
    if has dpkg-query; then
        say dpkg within 30 dpkg-query -W \
            -f '${db:Status-Abbrev}\t${Package}\t${Version}\t${Architecture}\t${source:Package}\t${source:Version}\n'
    fi
    if has rpm && has_rpms; then
        say rpm rpms
        say rpm-origins rpm_origins
        say rpm-metadata rpm_metadata
        say rpm-held rpm_held
    fi
    if [ -r /lib/apk/db/installed ]; then
        say apk grep -E '^([PVAo]:|$)' /lib/apk/db/installed
    elif [ -r /usr/lib/apk/db/installed ]; then
        say apk grep -E '^([PVAo]:|$)' /usr/lib/apk/db/installed
    fi
    if has apk; then
        say apk-pending within 20 apk --no-network version -v -l '<'
        say apk-origins apk_origins
        say apk-metadata apk_metadata
        say apk-world cat /etc/apk/world
    fi
    if has pacman && [ -d /var/lib/pacman/local ]; then
        say pacman pacman_packages
        say pacman-pending within 20 pacman -Qu
        say pacman-foreign within 20 pacman -Qmq
        say pacman-origins pacman_origins
    fi
    say mounts mounts
    say sizes within 5 df -P -k
    say sockets sockets
    say firewall firewall
    say timers timers
    say services without_secrets_of services
    say cron without_secrets_of cron
    say automatic automatic
    say changed changed
    say programs programs
    if has apt-get && has dpkg-query; then
        say apt-origins apt_origins
        say apt-metadata apt_metadata
        say apt-settings apt_settings
        say apt-pending apt_pending
        say apt-foreign apt_foreign
    fi
    if has rpm && has_rpms; then
        say rpm-pending rpm_pending
        say rpm-security rpm_security
        say rpm-foreign rpm_foreign
    fi
    secscan_backups
    put "$newline$nonce end$newline"
}

# --- What the readings are made of ----------------------------------------------------------------------

# The lines of a file, with passwords in addresses taken out where they are.
# One may hold slashes and an @, so that all up to the last goes; what is asked of a server may be a key.
without_passwords() { sed -e 's#://[^[:space:]]*@#://#g' -e 's#\(://[^?[:space:]]*\)?[^[:space:]]*#\1#g'; }

# Instant and path of files that match: patterns are ours, names are the host's and stay within quotes.
instants() {
    set +f
    for path in $1; do
        if [ -e "$path" ]; then
            at=$(stat -c %Y "$path") && put "$at $path$newline"
        fi
    done
    set -f
}

release() {
    if [ -r /etc/os-release ]; then
        cat /etc/os-release
    elif [ -r /usr/lib/os-release ]; then
        cat /usr/lib/os-release
    elif [ -r /etc/redhat-release ]; then
        put "REDHAT="
        cat /etc/redhat-release
    else
        return 1
    fi
}

names() { uname -s && uname -r && uname -m; }

time_kept() {
    grep -E '^btime [0-9]+$' /proc/stat
    [ -e /run/systemd/timesync/synchronized ] && echo "synchronised yes"
    if [ -d /run/systemd/system ] && has timedatectl; then
        within 5 timedatectl show -p NTPSynchronized
    fi
    if has chronyc; then within 3 chronyc -n tracking | grep '^Leap status'; fi
    if has ntpstat; then within 3 ntpstat >/dev/null; echo "ntpstat $?"; fi
    return 0
}

kernels() {
    [ -d /boot ] && [ ! -r /boot ] && return 126
    set +f
    for path in /boot/vmlinuz* /boot/vmlinux* /boot/kernel* /lib/modules/*; do
        [ -e "$path" ] && [ ! -L "$path" ] && put "$path$newline"
    done
    set -f
    return 0
}

reboot() {
    for path in /run/reboot-required /var/run/reboot-required /run/reboot-needed /boot/do_purge_kernels; do
        [ -e "$path" ] && put "wanted $path$newline"
    done
    set +f
    for path in /usr/share/update-notifier/notify-reboot-required /etc/kernel/postinst.d/unattended-upgrades \
        /etc/kernel/postinst.d/reboot-notifier /usr/lib/update-notifier/update-motd-reboot-required; do
        [ -e "$path" ] && put "kept $path$newline"
    done
    set -f
    if [ -r /run/reboot-required.pkgs ]; then
        while IFS= read -r line; do put "package $line$newline"; done </run/reboot-required.pkgs
    fi
    if has zypper && has_rpms; then as_nobody 10 zypper --non-interactive needs-rebooting >/dev/null; echo "zypper $?"; fi
    return 0
}

has_rpms() {
    for path in /var/lib/rpm /usr/lib/sysimage/rpm; do
        for file in Packages rpmdb.sqlite Packages.db; do [ -s "$path/$file" ] && return 0; done
    done
    return 1
}

rpms() {
    # EL 7 knows no %{MODULARITYLABEL} and then prints nothing at all.
    head='%{NAME}\t%{EPOCH}\t%{VERSION}\t%{RELEASE}\t%{ARCH}\t%{SOURCERPM}\t%{INSTALLTIME}'
    as_nobody 30 rpm -qa --qf "$head"'\t%{MODULARITYLABEL}\n' || as_nobody 30 rpm -qa --qf "$head"'\t(none)\n' ||
        within 30 rpm -qa --qf "$head"'\t(none)\n'
}

rpm_origins() {
    set +f
    for file in /etc/yum.repos.d/*.repo /etc/zypp/repos.d/*.repo; do
        if [ -r "$file" ]; then
            grep -E '^[[:space:]]*(\[|(baseurl|mirrorlist|metalink|enabled)[[:space:]]*=)' "$file"
        elif [ -e "$file" ]; then
            echo '?unread'
        fi
    done | without_passwords
    set -f
}

rpm_metadata() {
    instants '/var/cache/dnf/*/repodata/repomd.xml'
    instants '/var/cache/libdnf5/*/repodata/repomd.xml'
    instants '/var/cache/yum/*/*/*/repomd.xml'
    instants '/var/cache/zypp/raw/*/repodata/repomd.xml'
    return 0
}

rpm_held() {
    set +f
    for file in /etc/dnf/plugins/versionlock.list /etc/yum/pluginconf.d/versionlock.list /etc/dnf/versionlock.toml \
        /etc/zypp/locks; do
        if [ -r "$file" ]; then grep -v '^[[:space:]]*#' "$file" | sed -e "s#^#${file##*/} #"; fi
    done
    for file in /etc/dnf/dnf.conf /etc/yum.conf; do
        if [ -r "$file" ] && [ ! -L "$file" ]; then
            grep -E '^[[:space:]]*exclude(pkgs)?[[:space:]]*=' "$file" | sed -e 's#^#conf #'
        fi
    done
    set -f
    return 0
}

# dnf and yum make a cache of their own under /var/tmp for every account but root, so only root asks them.
rpm_tool() {
    if [ "$(id -u)" = 0 ] || [ "$sudo" = 1 ]; then
        for tool in dnf yum; do
            has "$tool" && { as_root 60 "$tool" -q --cacheonly "$@"; return $?; }
        done
        return 127
    fi
    has dnf || has yum || return 127
    return 126
}

rpm_pending() {
    if has zypper; then
        as_nobody 60 zypper --non-interactive --no-refresh -q list-updates
    else
        rpm_tool check-update
    fi
}

rpm_security() {
    if has zypper; then
        as_nobody 60 zypper --non-interactive --no-refresh -q list-patches --category security
    else
        rpm_tool updateinfo list --security
    fi
}

rpm_foreign() {
    if has zypper; then
        as_nobody 60 zypper --non-interactive --no-refresh -q packages --orphaned
    else
        rpm_tool list --extras
    fi
}

apk_origins() { grep -v '^[[:space:]]*#' /etc/apk/repositories | without_passwords; }

apk_metadata() {
    instants '/var/cache/apk/APKINDEX.*.tar.gz'
    instants '/etc/apk/cache/APKINDEX.*.tar.gz'
    return 0
}

pacman_packages() {
    set +f
    cat /var/lib/pacman/local/*/desc |
        awk '/^%/ { field = $0; next } field != "" && $0 != "" {
            if (field == "%NAME%") printf "\n%s", $0
            else if (field == "%VERSION%" || field == "%BASE%" || field == "%ARCH%" || field == "%INSTALLDATE%")
                printf "\t%s %s", field, $0
            field = "" } END { print "" }'
    set -f
}

pacman_origins() {
    instants '/var/lib/pacman/sync/*.db'
    grep -E '^[[:space:]]*(\[|Server[[:space:]]*=|Include[[:space:]]*=|IgnorePkg[[:space:]]*=)' /etc/pacman.conf |
        without_passwords
    set +f
    grep -E '^[[:space:]]*Server' /etc/pacman.d/mirrorlist | without_passwords
    set -f
    return 0
}

apt() {
    # Even where it only simulates, apt writes down what it planned.
    set -- "$@" -o Dir::Log::Planner= -o Dir::Log::Solver= -o Debug::NoLocking=1
    if [ "$(id -u)" != 0 ]; then
        within 30 "$@"
        return
    fi
    # Root's apt would also write the cache it makes, and without that cache it takes seconds. Nobody's uses what is
    # there; where nobody may not read a source, apt fails, and root asks without a cache.
    found=$(as_nobody 30 "$@") && put "$found" && return
    within 30 "$@" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache=
}

apt_origins() {
    format='$(REPO_URI)	$(RELEASE)	$(SUITE)	$(CODENAME)	$(ORIGIN)	$(LABEL)'
    # Not a pipe: its status would be sed's, and a failure would look like a host without repositories.
    found=$(apt apt-get indextargets --format "$format" 'Created-By: Packages') || return
    put "$found" | without_passwords
}

apt_metadata() {
    instants /var/lib/apt/lists
    instants /var/lib/apt/periodic/update-success-stamp
    instants '/var/lib/apt/lists/*_Packages*'
    return 0
}

apt_settings() {
    found=$(within 5 apt-config dump) || return
    put "$found" | grep -E '^APT::Periodic::|^Unattended-Upgrade::(Origins-Pattern|Allowed-Origins)'
    return 0
}

apt_pending() { apt apt-get -qq -s -o APT::Get::Show-User-Simulation-Note=no dist-upgrade; }

apt_foreign() {
    # Patterns came with apt 2.0; before, this would be a name that nothing has.
    within 5 apt-get --version | head -n 1
    apt apt list '?obsolete'
}

mounts() { bounded "$limit" </proc/self/mounts; }

sockets() {
    if has ss; then
        as_root 10 ss -ltunp
    elif [ -r /proc/net/tcp ]; then
        for table in tcp tcp6; do
            grep -E '^ *[0-9]+: [0-9A-F]+:[0-9A-F]+ [0-9A-F]+:[0-9A-F]+ 0A ' "/proc/net/$table" | sed -e "s#^#$table #"
        done
        for table in udp udp6; do
            grep -E '^ *[0-9]+: [0-9A-F]+:[0-9A-F]+ [0-9A-F]+:[0-9A-F]+ 07 ' "/proc/net/$table" | sed -e "s#^#$table #"
        done
        return 0
    else
        return 1
    fi
}

firewall() {
    [ -r /etc/ufw/ufw.conf ] && grep '^ENABLED=' /etc/ufw/ufw.conf
    if [ -d /run/systemd/system ]; then
        for unit in firewalld nftables ufw iptables ip6tables shorewall; do
            put "unit $unit "
            within 3 systemctl is-active "$unit.service"
        done
    fi
    if [ "$(id -u)" = 0 ] || [ "$sudo" = 1 ]; then
        if has nft; then
            if as_root 5 nft list ruleset >/dev/null; then
                put "nft hooks "
                as_root 5 nft list ruleset | grep -c 'hook input'
            fi
        fi
        if has iptables; then
            if as_root 5 iptables -S >/dev/null; then
                put "iptables rules "
                as_root 5 iptables -S | grep -c -E '^(-A INPUT|-P INPUT (DROP|REJECT))'
            fi
        fi
    fi
    return 0
}

timers() {
    [ -d /run/systemd/system ] || return 3
    within 10 systemctl show --no-pager -p Id -p Unit -p UnitFileState -p LastTriggerUSec '*.timer'
}

services() {
    [ -d /run/systemd/system ] || return 3
    within 10 systemctl show --no-pager -p Id -p TriggeredBy -p Result -p ExecMainExitTimestamp -p ExecMainStatus \
        -p ExecStart -p ActiveState '*.service'
}

cron() {
    set +f
    for file in /etc/crontab /etc/anacrontab /etc/cron.d/* /etc/crontabs/* /var/spool/cron/* /var/spool/cron/crontabs/*
    do
        case $file in /var/spool/cron/crontabs | /var/spool/cron/lastrun | */.placeholder) continue ;; esac
        if [ -d "$file" ] || [ ! -e "$file" ]; then continue; fi
        if [ -r "$file" ]; then
            put "file $file$newline"
            grep -v '^[[:space:]]*\(#\|$\)' "$file" | sed -e 's#^#line #'
        else
            put "unread $file$newline"
        fi
    done
    for folder in /var/spool/cron/crontabs /var/spool/cron /etc/crontabs; do
        [ -d "$folder" ] && [ ! -r "$folder" ] && put "unread $folder$newline"
    done
    for folder in hourly daily weekly monthly; do
        for file in "/etc/cron.$folder"/* "/etc/periodic/$folder"/*; do
            [ -x "$file" ] && [ ! -d "$file" ] && put "run $folder $file$newline"
        done
    done
    if [ "$(id -u)" != 0 ] && has crontab; then
        put "own$newline"
        within 5 crontab -l | grep -v '^[[:space:]]*\(#\|$\)' | sed -e 's#^#line #'
    fi
    set -f
    return 0
}

automatic() {
    for file in /etc/dnf/automatic.conf /etc/dnf/dnf5-plugins/automatic.conf /etc/yum/yum-cron.conf; do
        [ -r "$file" ] && put "file $file$newline" && grep -E '^[[:space:]]*apply_updates[[:space:]]*=' "$file"
    done
    if [ -d /run/systemd/system ]; then
        for unit in apt-daily-upgrade.timer dnf-automatic.timer dnf-automatic-install.timer dnf5-automatic.timer \
            transactional-update.timer unattended-upgrades.service yum-cron.service packagekit-offline-update.service
        do
            put "unit $unit "
            within 3 systemctl is-enabled "$unit" || echo
        done
    fi
    return 0
}

changed() {
    instants /var/lib/dpkg/status
    # dpkg's status is written by apt-mark as well; a package's list of files only when it is installed or updated.
    set +f
    stat -c '%Y %n' /var/lib/dpkg/info/*.list | sort -rn | head -n 1
    set -f
    instants /lib/apk/db/installed
    instants /var/lib/pacman/local
    return 0
}

# Other accounts' processes hide what they have mapped; a part of the answer would look like all of it.
programs() {
    [ "$(id -u)" = 0 ] || return 126
    set +f
    for folder in /proc/[0-9]*; do
        # Code that runs and is gone; data files that programs delete while they use them are none.
        if grep -q -E '^[^ ]+ ..x. [^/]* /(usr/(local/)?|opt/[^ ]*/)?(lib[^/ ]*|s?bin)/[^ ]* \(deleted\)$' "$folder/maps"; then
            read -r line <"$folder/comm" && put "$line$newline"
        fi
    done | sort -u
    set -f
}

if [ -z "${nonce-}" ]; then
    # A forced command: the one line is read, and what does not look like it is not taken.
    read -r nonce budget limit sudo rest
    nonce=${nonce#nonce=} budget=${budget#budget=} limit=${limit#limit=} sudo=${sudo#sudo=}
    case $nonce in '' | *[!0-9a-f]*) exit 64 ;; esac
    case $budget$limit in '' | *[!0-9]*) exit 64 ;; esac
    declared=${rest#declared=?} declared=${declared%?}
    case $declared in *[!A-Za-z0-9._/*?+@=:,%\ -]*) exit 64 ;; esac
fi
secscan_collect
exit 0
