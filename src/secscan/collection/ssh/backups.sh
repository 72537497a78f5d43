# --- What a host tells of its backups -------------------------------------------------------------------
#
# No backup tool is started: they take locks, write caches and ask for passphrases. Their own files are read instead,
# of configurations only the lines named here, so that no password is ever sent.

secscan_backups() {
    say backup-host backup_host
    backup_files=$(clock; [ $((now - began)) -ge "$budget" ] || backup_texts | bounded 600000)
    say backup-texts put "$backup_files"
    places=$(put "$backup_files" | backup_places)
    say backup-places put "$places"
    say backup-listing backup_listing
    say backup-contents backup_contents
    say backup-logs backup_logs
    say backup-snapshots backup_snapshots
    if [ -n "${declared-}" ]; then say backup-declared backup_declared; fi
}

# Values of what is called like a secret, and passwords in addresses: they are taken out before anything is sent.
without_secrets() {
    # Passwords hold at signs, and slashes where nobody escaped them.
    sed -e 's#://[^/[:space:]]*@#://#g' -e 's#://[^/:@[:space:]]*:[0-9]*[^0-9/@[:space:]][^@[:space:]]*@#://#g' \
        -e "s#\([A-Za-z0-9_-]*\([Pp][Aa][Ss][Ss]\|[Ss][Ee][Cc][Rr][Ee][Tt]\|[Tt][Oo][Kk][Ee][Nn]\|[Kk][Ee][Yy]\)[A-Za-z0-9_-]*[=:]\)[[:space:]]*\(\"[^\"]*\"\|'[^']*'\|[^[:space:];|&]*\)#\1***#g" \
        -e "s#\(--[a-z0-9-]*\(pass\|password\|passwd\|passphrase\|secret\|token\|key\|user-pass\)[a-z-]*\)  *\(\"[^\"]*\"\|'[^']*'\|[^[:space:]]*\)#\1 ***#g" \
        -e "s#\(\(mysql\|mariadb\)[^|;&]* -p\)\(\"[^\"]*\"\|'[^']*'\|[^[:space:]]*\)#\1***#g" \
        -e "s#\(\(sshpass\|7za\{0,1\}\)  *[^|;&]*-p\) *\(\"[^\"]*\"\|'[^']*'\|[^[:space:]]*\)#\1***#g" -e "s#\(\(^\|[^a-z]\)zip  *[^|;&]*-P\) *\(\"[^\"]*\"\|'[^']*'\|[^[:space:]]*\)#\1***#g" \
        -e "s#\(\(curl\|lftp\)  *[^|;&]*-u\) *\(\"[^\"]*\"\|'[^']*'\|[^[:space:]]*\)#\1 ***#g" -e "s#\(openssl  *[^|;&]*-k\) *\(\"[^\"]*\"\|'[^']*'\|[^[:space:]]*\)#\1 ***#g" \
        -e 's#\(\(echo\|printf\) \)[^|]*|#\1***|#g'
}

without_secrets_of() {
    told=$("$@")
    status=$?
    put "$told" | without_secrets
    return "$status"
}

backup_host() {
    for tool in restic borg borgmatic kopia duplicity rsnapshot rdiff-backup bacula-fd bacula-dir bareos-fd bareos-dir \
        amdump BackupPC pgbackrest barman wal-g mariabackup mariadb-backup xtrabackup proxmox-backup-client \
        proxmox-backup-manager veeamconfig btrfs zfs lvs btrbk snapper sanoid rclone rsync tar pg_dump mysqldump \
        mariadb-dump rest-server autorestic resticprofile; do
        has "$tool" && put "tool $tool$newline"
    done
    [ -d /usr/share/backuppc ] && put "tool BackupPC$newline"
    put "user $(id -u)$newline"
    # What leads to one of these leads back: names of the machine, and its own addresses.
    put "self $(uname -n)$newline"
    set --
    for file in /proc/net/fib_trie /etc/hosts; do [ -r "$file" ] && set -- "$@" "$file"; done
    [ $# = 0 ] || awk '
        BEGIN { own["127.0.0.1"]; own["127.0.1.1"]; own["::1"] }
        FILENAME == "/etc/hosts" {
            sub(/#.*/, "")
            if (FNR < 1000 && $1 in own) for (i = 2; i <= NF && i < 20; i++) print "self " $i
            next
        }
        /\|--/ { at = $2 }
        /host LOCAL/ && !(at in own) && count < 200 { own[at]; count++; print "self " at }
    ' "$@"
    if [ -L /etc/localtime ]; then
        put "zone $(readlink /etc/localtime)$newline"
    elif [ -r /etc/timezone ]; then
        read -r line </etc/timezone && put "zone $line$newline"
    fi
    if [ -r /etc/localtime ]; then put "tz $(tail -n 1 /etc/localtime)$newline"; fi
    if [ -r /etc/fstab ]; then
        put "fstab read$newline"
        awk '!/^[ \t]*#/ && NF >= 4 && $4 !~ /(^|,)noauto(,|$)/ && $2 ~ /^\// { print "wanted " $2 }' /etc/fstab
    fi
    if [ -r /proc/locks ]; then awk '$6 ~ /^[0-9a-f]+:[0-9a-f]+:[0-9]+$/ { print "held " $6 }' /proc/locks | head -n 500; fi
    return 0
}

# The name of a file, then the lines of it that a filter lets through; `unread` where the account may not.
backup_text() {
    file=$1
    shift
    if [ -f "$file" ] && [ -r "$file" ]; then
        put "file $file$newline"
        "$@" <"$file" | without_secrets | cut -c 1-1000 | head -n 400 | sed -e 's#^#|#'
    elif [ -e "$file" ]; then
        put "unread $file$newline"
    fi
}

homes() { cut -d : -f 6 /etc/passwd | sort -u | grep -E -v '^(/|/dev.*|/proc.*|/sys.*|/bin|/usr/.*|/sbin|/nonexistent|/run/.*)$' | head -n 200; }

backup_texts() {
    homes=$(homes)
    set +f
    IFS=$newline
    for file in /etc/rsnapshot*.conf /etc/rsnapshot/*.conf /usr/local/etc/rsnapshot.conf; do
        backup_text "$file" grep -E '^(snapshot_root|retain|interval|backup|backup_script|logfile|lockfile|exclude|sync_first|config_version)[[:space:]]'
    done
    for home in /etc $homes; do
        case $home in /etc) folder=/etc/borgmatic ;; *) folder=$home/.config/borgmatic ;; esac
        for file in "$folder"/config.yaml "$folder".d/*.yaml "$folder"/*.d/*.yaml; do backup_text "$file" borgmatic_lines; done
    done
    for file in /etc/pgbackrest.conf /etc/pgbackrest/pgbackrest.conf /etc/pgbackrest/conf.d/*.conf; do
        backup_text "$file" grep -E '^[[:space:]]*(\[|(repo[0-9]*-(path|host|type|retention-[a-z-]+|cipher-type|s3-bucket|s3-endpoint|azure-container|gcs-bucket|sftp-host)|log-path|lock-path|pg[0-9]*-(path|host))[[:space:]]*=)'
    done
    for file in /etc/barman.conf /etc/barman/barman.conf /etc/barman.d/*.conf; do backup_text "$file" barman_lines; done
    for file in /etc/btrbk/btrbk.conf /etc/btrbk.conf; do
        backup_text "$file" grep -E '^[[:space:]]*(volume|subvolume|snapshot_dir|target|snapshot_preserve(_min)?|target_preserve(_min)?|timestamp_format)[[:space:]]'
    done
    for file in /etc/snapper/configs/* /etc/sanoid/sanoid.conf; do
        backup_text "$file" grep -E '^[[:space:]]*(\[|SUBVOLUME=|FSTYPE=|TIMELINE_(CREATE|LIMIT_[A-Z]+)=|use_template|hourly|daily|weekly|monthly|yearly|autosnap|recursive)'
    done
    for home in $homes; do
        backup_text "$home/.config/rclone/rclone.conf" grep -E '^(\[|type = |remote = )'
    done
    for file in /etc/restic/* /etc/default/restic* /etc/sysconfig/restic* /etc/borg/* /etc/default/borg* /etc/restic.env; do
        [ -f "$file" ] && backup_text "$file" grep -E '^(export[[:space:]]+)?(RESTIC_REPOSITORY|BORG_REPO|BACKUP_PATHS?|RETENTION[A-Z_]*)='
    done
    # Scripts that the clock starts: those named in crontabs and units, and those in cron's own folders.
    {
        for file in /etc/crontab /etc/cron.d/* /var/spool/cron/* /var/spool/cron/crontabs/*; do
            [ -f "$file" ] && [ -r "$file" ] && put "$file$newline"
        done | {
            set --
            while read -r file; do set -- "$@" "$file"; done
            [ $# = 0 ] || grep -h -o -E '(^|[[:space:];&|(])/[A-Za-z0-9._/+-]+' "$@"
        }
        if [ -d /run/systemd/system ]; then
            within 10 systemctl show --no-pager -p ExecStart '*.service' | grep -o -E '[ =]/[A-Za-z0-9._/+-]+'
        fi
        for file in /etc/cron.hourly/* /etc/cron.daily/* /etc/cron.weekly/* /etc/cron.monthly/*; do put "$file$newline"; done
    } | tr -d ' \t;&|(=' | sort -u | head -n 300 | {
        set --
        while read -r file; do
            case $file in /usr/bin/* | /bin/* | /sbin/* | /usr/sbin/* | /lib/* | /usr/lib/* | /dev/* | *'*') continue ;; esac
            [ -f "$file" ] || continue
            if [ -r "$file" ]; then set -- "$@" "$file"; else put "unread $file$newline"; fi
        done
        # One process for all of them: most scripts of a host have nothing to do with backups.
        [ $# = 0 ] || grep -l -E "$backup_words" "$@"
    } | while read -r file; do
        case $file in "unread "*) put "$file$newline"; continue ;; esac
        [ "$(head -c 2 "$file" | tr -d '\0')" = '#!' ] || continue
        put "script $file$newline"
        head -c 60000 "$file" | sed -e ':a' -e '/\\$/{' -e 'N' -e 's/\\\n[[:space:]]*/ /' -e 'ba' -e '}' |
            # Of settings only those that name a place, another setting or a small number.
            grep -a -E "$backup_words"'|^[[:space:]]*(export[[:space:]]+)?[A-Za-z_][A-Za-z0-9_]*=["'"'"']?([$/]|(sftp|ssh|s3|b2|rest|rclone|azure|gs|swift|file|rsync|local|https?):|([A-Za-z0-9._-]+@)?[A-Za-z0-9.-]+:/|[0-9]{1,3}["'"'"']?$)' |
            grep -a -v -i -E '^[[:space:]]*(#|[A-Za-z0-9_ ]*(PASS|PWD|SECRET|TOKEN|KEY|AUTH|CRED)[A-Za-z0-9_]*=)' |
            without_secrets | cut -c 1-2000 | head -n 200 | sed -e 's#^#|#'
    done
    unset IFS
    set -f
}

backup_words='restic|borg|kopia|duplicity|rsnapshot|rdiff-backup|pgbackrest|barman|wal-g|mariabackup|mariadb-backup|xtrabackup|rclone|rsync|pg_dump|pg_basebackup|mysqldump|mariadb-dump|proxmox-backup|btrfs|btrbk|zfs |lvcreate|tar |find .*-mtime'

# Of a configuration in YAML only what stands under these keys: others hold passphrases and commands.
borgmatic_lines() {
    awk '
    function indent(s) { match(s, /^ */); return RLENGTH }
    /^[ \t]*(#|$)/ { next }
    {
        at = indent($0); line = substr($0, at + 1); item = ""
        if (line ~ /^- /) { item = "- "; line = substr(line, 3) }
        key = line
        if (match(key, /^[a-z_]+:([ \t]|$)/)) {
            sub(/:.*/, "", key)
            if (skipping && at > skipped) next
            skipping = 0
            if (key ~ /^(location|storage|retention|consistency|hooks|source_directories|repositories|path|label|exclude_patterns|keep_[a-z]+|checks|name|frequency|postgresql_databases|mysql_databases|mariadb_databases|hostname|patterns|append_only)$/) print
            else { skipping = 1; skipped = at }
        } else if (!(skipping && at >= skipped) && item != "") print
    }'
}

barman_lines() {
    grep -E '^[[:space:]]*(\[|(barman_home|backup_directory|basebackups_directory|barman_lock_directory|log_file|retention_policy|active|backup_method|conninfo|ssh_command|primary_ssh_command|configuration_files_directory)[[:space:]]*=)' |
        sed -e '/^[[:space:]]*conninfo/s#^.*[ =]host=\([^[:space:]]*\).*#conninfo_host = \1#' -e '/^[[:space:]]*conninfo[^_]/d'
}

# Folders in which repositories may lie: what configurations, scripts, crontabs and units name, and the usual ones.
backup_places() {
    {
        put "/backup$newline/backups$newline/srv/backup$newline/srv/backups$newline/var/backups$newline"
        put "/var/lib/pgbackrest$newline/var/lib/barman$newline/var/lib/backuppc$newline"
        homes | sed -e 's#$#/.cache/restic#p' -e 's#/.cache/restic$#/.cache/borg#p' -e 's#/.cache/borg$#/.config/borg/security#p' \
            -e 's#/.config/borg/security$#/.borgmatic/checks#p' -e 's#/.borgmatic/checks$#/.cache/duplicity#'
        set +f
        for path in ${declared-}; do put "$path$newline"; done
        {
            cat
            cat /etc/crontab /etc/cron.d/* /var/spool/cron/* /var/spool/cron/crontabs/* | grep -E "$backup_words"
            if [ -d /run/systemd/system ]; then
                within 10 systemctl show --no-pager -p ExecStart '*.service' | grep -E "$backup_words|rest-server"
            fi
        } | grep -o -E '/[A-Za-z0-9._/@+-]+' | sed -e 's#^//*#/#'
        set -f
        if [ "$sudo" = 1 ] && [ ! -x /root ]; then put "!/root/.cache/restic$newline!/root/.borgmatic$newline"; fi
    } | sed -e 's#/*$##' | sort -u | head -n 2000 | while IFS= read -r path; do
        case $path in '!'*) put "closed ${path#!}$newline"; continue ;; esac
        if [ ! -d "$path" ]; then
            # That it is not there can be said where the folder that would hold it may be looked into.
            parent=${path%/*}
            while [ -n "$parent" ] && [ ! -e "$parent" ]; do parent=${parent%/*}; done
            if [ ! -e "$path" ] && [ -x "${parent:-/}" ]; then put "gone $path$newline"; fi
            continue
        fi
        case $path in /etc | /etc/* | /usr/* | /bin | /dev/* | /proc/* | /sys/* | /run/* | /var/log* | /tmp | /var | /home | /srv | /root) continue ;; esac
        real=$(cd -P -- "$path" && pwd -P) || real=$path
        if [ ! -r "$path" ] || [ ! -x "$path" ]; then
            put "closed $path$newline"
        elif backup_marked "$path"; then
            put "list $path	$real$newline"
        else
            put "seen $path	$real$newline"
        fi
    done
}

# Whether a folder is worth a look below: it is one where backups are kept, or something of a repository lies in it.
backup_marked() {
    case $1 in
        /backup | /backups | /srv/backup | /srv/backups | /var/backups | */.cache/restic | */.cache/borg | */.config/borg/security) return 0 ;;
        */.borgmatic/checks | */.cache/duplicity | /var/lib/barman | /var/lib/pgbackrest | /var/lib/backuppc) return 0 ;;
    esac
    case " ${declared-} " in *" $1 "* | *" $1/ "*) return 0 ;; esac
    [ -f "$1/config" ] || [ -d "$1/rdiff-backup-data" ] || [ -d "$1/backup" ] || [ -d "$1/snapshots" ] && return 0
    set +f
    marked=1
    for marker in "$1"/duplicity-* "$1"/*.0 "$1"/*/base "$1"/*_info "$1"/*/*_info "$1"/*/config "$1"/kopia.repository* "$1"/.chunks; do
        [ -e "$marker" ] && marked=0 && break
    done
    set -f
    return "$marked"
}

# `d NUMBER FOLDER`, then `NUMBER INSTANT SIZE MODE NAME`: of each folder the newest, and `n NUMBER COUNT` for all.
# Words are split on purpose: at line breaks, without the shell filling in names.
# shellcheck disable=SC2046,SC2086
backup_listing() {
    IFS=$newline
    set --
    for line in $places; do
        case $line in
            "list "*) path=${line#*	}; set -- "$@" "$path" ;;
            "closed "*) [ "$sudo" = 1 ] && backup_closed="${backup_closed-}${line#closed }$newline" ;;
        esac
    done
    {
        status=0
        if [ $# -gt 0 ]; then
            within 12 find "$@" $(backup_listed)
            status=$?
            # busybox does not know -readable: there it is only said that not all could be seen.
            [ "$status" = 1 ] && within 5 find "$@" -maxdepth 2 -type d ! -readable -prune -print | sed -e 's#^#refused #'
        fi
        for path in $(put "$backup_files" | sed -n -e 's#^|lockfile[[:space:]]*\(/[^[:space:]]*\).*#\1#p'); do
            [ -e "$path" ] && stat -c %Y/%s/%f/%n "$path"
        done
        for path in ${backup_closed-}; do as_root 10 find "$path" $(listed_by_root) || put "refused $path$newline"; done
        put "status $status$newline"
    } | sort -t / -k 1,1nr | awk -F / '
        /^refused / || /^status / { print; next }
        NF < 4 || $1 !~ /^[0-9]+$/ || $2 !~ /^[0-9]+$/ || $3 !~ /^[0-9a-f]+$/ { next }
        {
            path = substr($0, length($1 $2 $3) + 4); name = path; sub(/.*\//, "", name)
            if (path in seen) next
            seen[path] = 1
            dir = substr(path, 1, length(path) - length(name) - 1)
            if (!(dir in id)) { id[dir] = ++ids; print "d " ids " " dir }
            most = (name ~ /^duplicity-/) ? 2000 : 100
            if (++count[dir] > most) next
            if (length(name) == 64 && name !~ /[^0-9a-f]/) name = (dir ~ /\.cache\/|\.borgmatic\/|\/security$/) ? name : substr(name, 1, 8)
            print id[dir], $1, $2, $3, name
        }
        END { for (dir in count) if (count[dir] > 100) print "n " id[dir] " " count[dir] }'
    unset IFS
}

# Words of find(1), one a line. What holds the data itself, or a whole copy of the source, is not gone into.
backup_listed() {
    put '-maxdepth
4
-name
*[[:cntrl:]]*
-prune
-o
-type
d
(
-name
data
-o
-name
index
-o
-name
wals
-o
-name
incoming
-o
-name
streaming
-o
-name
pool
-o
-name
cpool
-o
-name
pg_data
-o
-name
.chunks
-o
-name
archive
-o
-name
increments
-o
-name
lock.exclusive
-o
-name
*.[0-9]
-o
-name
*.[0-9][0-9]
)
-prune
-exec
stat
-c
%Y/%s/%f/%n
{}
+
-o
-type
f
(
-path
*/snapshots/*
-o
-path
*/locks/*
-o
-path
*/.borgmatic/checks/*
-o
-name
config
-o
-name
README
-o
-name
index.*
-o
-name
integrity.*
-o
-name
manifest-timestamp
-o
-name
duplicity-*
-o
-name
current_mirror.*
-o
-name
session_statistics.*
-o
-name
backup.info
-o
-name
.*.lock
-o
-name
backups
-o
-name
xtrabackup_info
-o
-name
mariadb_backup_info
-o
-name
kopia.repository*
)
-exec
stat
-c
%Y/%s/%f/%n
{}
+'
}

# Words are split on purpose: at line breaks, without the shell filling in names.
# shellcheck disable=SC2046,SC2086
backup_contents() {
    IFS=$newline
    set --
    for line in $places; do
        case $line in "list "*) set -- "$@" "${line#*	}" ;; esac
    done
    if [ $# -gt 0 ]; then
        within 12 find "$@" $(backup_read)
        # The first byte of what a segment holds first says how a borg repository is encrypted: a number, no data.
        within 10 find "$@" -maxdepth 3 -name '*[[:cntrl:]]*' -prune -o -type d '(' -name '*.[0-9]' -o -name data ')' -prune -o \
            -type f -name README -print | head -n 2000 | while read -r path; do
            repository=${path%/README}
            set +f
            set -- "$repository"/data/0/*
            set -f
            for segment in "$1" "${2-}" "${3-}"; do
                [ -f "$segment" ] || continue
                bytes=$(od -A n -v -t x1 -N 50 "$segment" | tr -d ' \n')
                # "BORG_SEG", 8 bytes of checksum and length, 0 for PUT, 32 of the key's, and the byte.
                case $bytes in 424f52475f534547????????????????00*)
                    put "segment $repository	$(put "$bytes" | cut -c 99-100)$newline"
                    break ;;
                esac
            done
        done
    fi
    for line in $places; do
        case $line in "closed "*) [ "$sudo" = 1 ] && as_root 10 find "${line#closed }" $(read_by_root) ;; esac
    done
    unset IFS
    return 0
}

backup_read() {
    put '-maxdepth
4
-name
*[[:cntrl:]]*
-prune
-o
-type
d
(
-name
data
-o
-name
wals
-o
-name
pool
-o
-name
cpool
-o
-name
pg_data
-o
-name
increments
-o
-name
*.[0-9]
-o
-name
*.[0-9][0-9]
)
-prune
-o
-type
f
(
-name
config
-o
-name
key-type
-o
-name
location
-o
-name
manifest-timestamp
-o
-name
backup.info
-o
-name
session_statistics.*
-o
-name
xtrabackup_info
-o
-name
mariadb_backup_info
-o
-name
backups
)
-exec
grep
-a
-H
-E
^((id|append_only|version|previous_location|key_type|tool_version|start_time|end_time|partial|incremental|encrypted)[[:space:]]=|(status|begin_time|end_time|size|server_name|error|encryption)=|[0-9]+$|[0-9T:.-]+$|(/|[a-z]+://)[^=]*$|[0-9]{8}-[0-9]{6}F[_0-9DI-]*=|backrest-(format|version)=|(StartTime|EndTime|SourceFiles|SourceFileSize|Errors)[[:space:]]|[0-9]+[[:space:]](full|incr|active|partial)[[:space:]])
{}
+'
}

# The two commands that sudo may be asked for, folder by folder: names, sizes and times; and of notes the lines that
# tell when and how large. Short and without quotes, so that they can be written into sudoers as they are.
listed_by_root() {
    put '-maxdepth
4
-name
data
-prune
-o
-name
index
-prune
-o
-type
f
-exec
stat
-c
%Y/%s/%f/%n
{}
+'
}

read_by_root() {
    put '-maxdepth
4
-name
data
-prune
-o
-name
backup.info
-exec
grep
-a
-H
-E
F[_0-9DI-]*=.*backup-timestamp|^backrest-format=|^status=|_time=|^size=|^encryption=
{}
+'
}

backup_logs() {
    set +f
    {
        for file in /var/log/restic*.log /var/log/restic/*.log /var/log/borg*.log /var/log/borgmatic/*.log /var/log/rsnapshot*.log \
            /var/log/rsnapshot /var/log/duplicity*.log /var/log/pgbackrest/*.log /var/log/rclone*.log /var/log/rsync*.log \
            /var/log/backup*.log /var/log/backup/*.log /var/log/bacula/*.log /var/log/bareos/*.log; do
            [ -f "$file" ] && put "$file$newline"
        done
        {
            put "$backup_files"
            cat /etc/crontab /etc/cron.d/* /var/spool/cron/* /var/spool/cron/crontabs/* | grep -E "$backup_words"
        } | grep -o -E '/[A-Za-z0-9._/@+-]+\.log|/var/log/[A-Za-z0-9._/@+-]+'
    } | sort -u | head -n 60 | while read -r file; do
        for part in "$file" "$file".1 "$file".1.gz "$file"-2*; do
            [ -f "$part" ] || continue
            if [ ! -r "$part" ]; then
                put "unread $part$newline"
                continue
            fi
            at=$(stat -c %Y "$part") && put "file $at $part$newline"
            case $part in
                *.gz) within 3 gzip -dc "$part" | head -c 3000000 ;;
                *) tail -c 300000 "$part" ;;
            esac | grep -a -E "$backup_log_words" | tail -n 500 | without_secrets | cut -c 1-400 | sed -e 's#^#|#'
        done
    done
    for folder in /var/log/pgbackrest /var/log/barman /var/log/bacula /var/log/bareos; do
        [ -d "$folder" ] && [ ! -r "$folder" ] && put "unread $folder$newline"
    done
    set -f
    return 0
}

backup_log_words='snapshot [0-9a-f]{8} saved|"message_type": ?"summary"|^processed [0-9]+ files|no errors were found|^Fatal: |: (started|completed)|^Archive name:|^Time \((start|end)\):|^Number of files:|^This archive:|"(end|nfiles|original_size)":|terminating with|Creating archive|Successfully ran configuration|Error running configuration|^(StartTime|EndTime|SourceFiles|SourceFileSize|Errors) [0-9]|command (begin|end)|new backup label|backup size = |rsync error|total size (is )?[0-9]|Number of (regular )?files|Total file size| (INFO|NOTICE) +: *$|Transferred:|Elapsed time:|Errors: |ERROR|^ +(JobId|Job|Backup Level|Client|End time|(FD|SD) (Files|Bytes) Written|Non-fatal FD errors|Encryption|Termination):'

backup_snapshots() {
    while read -r device path type rest; do
        case $type in
            btrfs)
                if has btrfs && { [ "$(id -u)" = 0 ] || [ "$sudo" = 1 ]; }; then
                    # Made read-only or not: two lists, because one does not tell.
                    put "btrfs $device $path$newline"
                    as_root 10 btrfs subvolume list -u "$path" | sed -e 's#^#volume #'
                    as_root 10 btrfs subvolume list -s -q -u "$path" | sed -e 's#^#snapshot #'
                    as_root 10 btrfs subvolume list -r -s "$path" | sed -e 's#^#read-only #'
                else
                    put "closed btrfs $path$newline"
                fi ;;
        esac
    done </proc/self/mounts
    if has zfs; then
        put "zfs$newline"
        within 10 zfs list -H -p -t snapshot -o name,creation,used,referenced -S creation | head -n 5000
        put "status $?$newline"
    fi
    if has lvs; then
        if [ "$(id -u)" = 0 ] || [ "$sudo" = 1 ]; then
            put "lvm$newline"
            as_root 10 lvs --readonly --noheadings --separator / --units b --nosuffix -o vg_name,lv_name,origin,lv_time -S origin!=
        else
            put "closed lvm -$newline"
        fi
    fi
    return 0
}

# Files that patterns of the inventory match: instant, size and name of the newest, and of the newest two what they
# begin and end with, as far as it says what they are and whether they are whole.
# Words are split on purpose: at line breaks, without the shell filling in names.
# shellcheck disable=SC2046,SC2086
backup_declared() {
    for pattern in $declared; do
        put "pattern $pattern$newline"
        parent=${pattern%/*}
        case $parent in *[*?]*) ;; ?*) if [ -d "$parent" ] && { [ ! -r "$parent" ] || [ ! -x "$parent" ]; }; then
            if [ "$sudo" = 1 ]; then
                as_root 10 find "$parent" $(listed_by_root) | sort -t / -k 1,1nr | sed -e 's#^#shut #'
            else
                put "closed $parent$newline"
            fi
            continue
        fi ;;
        esac
        [ -d "$parent" ] && put "real $(cd -P -- "$parent" && pwd -P)$newline"
        set +f
        files=$(for file in $pattern; do [ -f "$file" ] && put "$file$newline"; done | head -n 20000)
        set -f
        [ -n "$files" ] || continue
        IFS=$newline
        found=$(stat -L -c '%Y %s %n' $files | sort -nr | head -n 100)
        put "$found$newline"
        put "count $(put "$files$newline" | wc -l)$newline"
        shown=0
        for line in $found; do
            [ "$shown" -lt 2 ] || break
            case $line in *.log | *.txt | *.md5 | *.sha[0-9]* | *.sig | *.asc | *.lock | *.tmp | *.part | *.err) continue ;; esac
            shown=$((shown + 1))
            rest=${line#* }
            size=${rest%% *} file=${rest#* }
            if [ -L "$file" ]; then put "link $(readlink -f "$file")	$file$newline"; fi
            if [ ! -r "$file" ]; then put "shut $file$newline"; continue; fi
            put "magic $(od -A n -v -t x1 -N 8 "$file" | tr -d ' \n') $file$newline"
            unpack=
            case $file in
                *.gz | *.tgz) unpack='gzip -dc' ;;
                *.bz2) unpack='bzip2 -dc' ;;
                *.xz) unpack='xz -dc' ;;
                *.zst) unpack='zstd -dc' ;;
            esac
            if [ -n "$unpack" ]; then
                # Unpacking all of a large one would take the host's time: then it is not known to be whole.
                if [ "$size" -gt 30000000 ]; then put "large $file$newline"; continue; fi
                unset IFS
                if within 5 $unpack "$file" >/dev/null; then put "whole $file$newline"; else put "broken $? $file$newline"; fi
                within 5 $unpack "$file" | head -c 3000 | backup_head
                within 5 $unpack "$file" | tail -c 400 | backup_tail
                IFS=$newline
            else
                head -c 3000 "$file" | backup_head
                tail -c 400 "$file" | backup_tail
            fi
        done
        unset IFS
    done
    return 0
}

backup_head() { tr -d '\0' | grep -a -E '^-- (PostgreSQL|MySQL|MariaDB|Host:|Current Database|Dumped)|^.connect ' | cut -c 1-200 | head -n 20 | sed -e 's#^#head #'; }
backup_tail() { tr -d '\0' | grep -a -E '^-- (PostgreSQL|Dump) ' | cut -c 1-200 | tail -n 3 | sed -e 's#^#tail #'; }

