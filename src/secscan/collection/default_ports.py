"""The TCP ports of well-known server programs, for the connect scan where there is no nmap to ask.

A list of this project's own, and not nmap's ranking by how often a port is found open. Numbers and names are those
of the IANA registry of service names and port numbers (RFC 6335) where a server is registered, else its default
and name in its own documentation.
"""

from functools import cache

from secscan.facts.ports import port_ranges

#: Families of servers, the most telling first, because the first n ports may be asked alone.
_FAMILIES = (
    # What nearly every scan finds, and what must not be found: web, login, mail, names, databases, file sharing.
    """443 https, 80 http, 22 ssh, 21 ftp, 23 telnet, 25 smtp, 53 domain, 110 pop3, 143 imap, 993 imaps, 995 pop3s,
    465 submissions, 587 submission, 3389 ms-wbt-server, 445 microsoft-ds, 139 netbios-ssn, 135 epmap, 111 sunrpc,
    8080 http-alt, 8443 https-alt, 8000 http-8000, 8888 http-8888, 3306 mysql, 5432 postgresql, 1433 ms-sql-s,
    1521 oracle-tns, 6379 redis, 27017 mongodb, 9200 elasticsearch, 11211 memcache, 5900 vnc, 5985 wsman, 5986 wsmans,
    389 ldap, 636 ldaps, 88 kerberos, 2049 nfs, 873 rsync, 161 snmp, 1723 pptp, 5060 sip, 10000 webmin, 8081 http-8081""",
    # Services of the early Internet.
    """7 echo, 9 discard, 11 systat, 13 daytime, 15 netstat, 17 qotd, 19 chargen, 20 ftp-data, 37 time, 42 nameserver,
    43 nicname, 49 tacacs, 69 tftp, 70 gopher, 79 finger, 102 iso-tsap, 104 acr-nema, 106 pop3pw, 109 pop2, 113 ident,
    119 nntp, 194 irc, 210 z39-50, 220 imap3, 512 exec, 513 login, 514 shell, 515 printer, 517 talk, 540 uucp,
    543 klogin, 544 kshell, 563 nntps, 992 telnets, 994 ircs, 2401 cvspserver, 2628 dict, 6667 ircu, 6697 ircs-u""",
    # Web servers beside the usual ports, application servers and proxies.
    """81 http-81, 82 http-82, 280 http-mgmt, 591 http-alt-591, 777 multiling-http, 808 http-808,
    1080 socks, 3128 squid-http, 3000 http-3000, 3001 http-3001, 4000 http-4000, 4200 http-4200, 4443 https-4443,
    4848 appserv-http, 5000 http-5000, 5001 http-5001, 5601 kibana, 6082 varnish-admin, 7001 weblogic, 7002 weblogic-s,
    7080 http-7080, 7443 oracleas-https, 8001 http-8001, 8002 http-8002, 8005 tomcat-shutdown, 8008 http-8008,
    8009 ajp13, 8010 http-8010, 8069 odoo, 8082 http-8082, 8083 http-8083, 8084 http-8084, 8085 http-8085,
    8086 influxdb, 8087 http-8087, 8088 http-8088, 8089 splunkd, 8090 http-8090, 8091 couchbase, 8096 jellyfin,
    8111 teamcity, 8118 privoxy, 8123 clickhouse-http, 8161 activemq-web, 8172 msdeploy, 8180 http-8180, 8222 nats-http,
    8243 https-8243, 8280 http-8280, 8444 https-8444, 8834 nessus, 8880 http-8880, 8983 solr, 9000 http-9000,
    9001 http-9001, 9043 websphere-https, 9060 websphere-http, 9080 http-9080, 9090 websm, 9443 https-9443,
    9990 jboss-management, 9999 http-9999, 10443 https-10443, 11000 http-11000, 18080 http-18080""",
    # Directories, sign-on and names.
    """464 kpasswd, 749 kerberos-adm, 853 domain-s, 1512 wins, 1812 radius, 2083 radsec, 3268 msft-gc,
    3269 msft-gc-ssl, 3868 diameter, 5353 mdns, 593 http-rpc-epmap, 9389 adws""",
    # Mail and messages.
    """26 smtp-26, 209 qmtp, 366 odmr, 406 imsp, 674 acap, 1352 lotusnote, 2000 sieve-old, 2525 smtp-2525, 4190 sieve,
    5222 xmpp-client, 5223 xmpp-client-s, 5269 xmpp-server, 5280 xmpp-bosh, 8448 matrix, 6660 ircu-6660, 6666 ircu-6666""",
    # Files, printing, backup and storage.
    """548 afpovertcp, 631 ipp, 860 iscsi, 989 ftps-data, 990 ftps, 2121 ftp-2121, 3260 iscsi-target, 3689 daap, 3690 svn,
    6101 backupexec, 6789 ceph-mon, 9100 pdl-datastream, 9101 bacula-dir, 9102 bacula-fd, 9103 bacula-sd,
    9418 git, 13720 bprd, 13721 bpdbm, 13724 vnetd, 13782 netbackup, 20049 nfsrdma, 24007 glusterd,
    3300 ceph, 8020 hdfs, 9870 hdfs-http, 50070 hdfs-http-2, 6566 sane-port, 901 swat, 2222 ssh-2222, 10080 amanda""",
    # Remote control of machines, their management boards and network equipment.
    """179 bgp, 264 bgmp, 541 uucp-rlogin, 623 oob-ws-http, 664 oob-ws-https, 830 netconf-ssh, 902 vmware-auth,
    903 vmware-console, 1494 ica, 1720 h323hostcall, 1741 ciscoworks, 2323 telnet-2323, 2598 citrix-cgp, 3283 net-assistant,
    3388 ms-wbt-3388, 3390 ms-wbt-3390, 4786 smart-install, 4899 radmin, 5480 vami, 5631 pcanywheredata, 5632 pcanywherestat,
    5800 vnc-http, 5801 vnc-http-1, 5901 vnc-1, 5902 vnc-2, 5903 vnc-3, 5938 teamviewer, 5988 wbem-http, 5989 wbem-https,
    6000 x11, 6001 x11-1, 6002 x11-2, 6129 dameware, 7547 cwmp, 8006 proxmox, 8291 winbox, 8728 routeros-api,
    8729 routeros-api-ssl, 16509 libvirt, 16514 libvirt-tls, 16992 amt-soap-http, 16993 amt-soap-https,
    16994 amt-redir-tcp, 16995 amt-redir-tls, 47001 winrm, 2301 hp-smh, 2381 hp-smh-https,
    1311 dell-omsa, 5666 nrpe, 5693 ncpa, 6556 checkmk-agent, 10050 zabbix-agent, 10051 zabbix-trapper, 4949 munin,
    199 smux, 705 agentx, 3493 nut, 3052 apc-powerchute, 2947 gpsd""",
    # Databases, search, caches and queues.
    """1434 ms-sql-m, 1526 oracle-1526, 1830 oracle-cman, 2483 oracle-tcp, 2484 oracle-tcps, 2638 sybase, 3050 firebird,
    3351 btrieve, 4333 msql, 5433 postgresql-5433, 5984 couchdb, 6380 redis-tls, 6432 pgbouncer, 7199 cassandra-jmx,
    7210 maxdb, 7474 neo4j, 7687 bolt, 9042 cassandra, 9088 informix, 9160 cassandra-thrift, 9300 elasticsearch-nodes,
    11210 couchbase-data, 16379 redis-bus, 26379 redis-sentinel, 27018 mongodb-shard, 27019 mongodb-config,
    28015 rethinkdb, 28017 mongodb-http, 33060 mysqlx, 50000 db2, 523 ibm-db2-admin, 1414 ibm-mqseries, 1883 mqtt,
    2181 zookeeper, 4222 nats, 4369 epmd, 5671 amqps, 5672 amqp, 6650 pulsar, 8883 secure-mqtt, 9092 kafka, 9093 kafka-tls,
    15671 rabbitmq-https, 15672 rabbitmq-http, 25672 rabbitmq-nodes, 61613 stomp, 61614 stomps, 61616 activemq,
    9306 sphinxql, 19530 milvus, 6333 qdrant, 8529 arangodb, 9009 clickhouse-nodes""",
    # Containers, clusters, deployment and what watches them.
    """2375 docker, 2376 docker-s, 2377 swarm, 2379 etcd-client, 2380 etcd-server, 4194 cadvisor, 4646 nomad, 4505 salt-publish,
    4506 salt-return, 5044 beats, 6066 spark-rest, 6443 kubernetes, 7077 spark, 8140 puppet, 8200 vault, 8300 consul-rpc,
    8301 consul-serf, 8500 consul, 8600 consul-dns, 9091 pushgateway, 9094 alertmanager, 9115 blackbox-exporter,
    9182 windows-exporter, 10249 kube-proxy, 10250 kubelet, 10255 kubelet-readonly, 10256 kube-proxy-health,
    10257 kube-controller, 10259 kube-scheduler, 12345 grafana-agent, 14268 jaeger, 16686 jaeger-http, 2003 graphite,
    24224 fluentd, 24231 fluentd-metrics, 3100 loki, 4317 otlp-grpc, 4318 otlp-http, 8125 statsd, 8649 ganglia,
    9411 zipkin, 12201 gelf, 601 syslog-conn, 6514 syslog-tls, 8530 wsus, 8531 wsus-s, 9997 splunk-forwarding""",
    # Java and other programs that run what they are sent.
    """1090 rmi-1090, 1098 rmiactivation, 1099 rmiregistry, 1100 rmi-1100, 2809 corbaloc, 3632 distcc, 4444 jboss-rmi, 4445 jboss-pooled,
    5005 jdwp, 8686 glassfish-jmx, 8787 jdwp-8787, 9010 jmx, 9229 node-inspector, 11099 rmi-11099, 3299 saprouter,
    3200 sap-dispatcher, 50013 sap-control, 4560 log4j, 6106 isdcontrol""",
    # Telephony, media, tunnels.
    """500 isakmp, 554 rtsp, 1194 openvpn, 1701 l2tp, 1755 ms-streaming, 1935 rtmp, 2427 mgcp-gateway, 3478 stun, 4500 ipsec-nat-t,
    5038 asterisk-ami, 5061 sips, 5349 stuns, 8554 rtsp-alt, 9040 tor-trans, 9050 tor-socks, 655 tinc, 64738 mumble,
    37777 dvr""",
    # Industry and buildings.
    """502 mbap, 789 red-lion, 1911 niagara-fox, 1962 pcworx, 2404 iec-104, 4840 opcua-tcp, 4911 niagara-foxs, 9600 omron-fins,
    18245 ge-srtp, 20000 dnp, 20547 proconos, 44818 ethernet-ip, 47808 bacnet""",
    # Windows' own, where its services settle by themselves.
    """1025 msrpc-1025, 1026 msrpc-1026, 1027 msrpc-1027, 1801 msmq, 2103 msmq-rpc, 2105 msmq-rpc-2, 2107 msmq-mgmt, 2179 vmrdp,
    2382 ms-olap3, 2383 ms-olap4, 2701 sms-rcinfo, 2869 ssdp-events, 3343 ms-cluster-net, 5357 wsdapi, 5358 wsdapi-s,
    5722 dfsr, 5723 scom, 49152 msrpc-49152, 49153 msrpc-49153, 49154 msrpc-49154, 49155 msrpc-49155,
    49156 msrpc-49156, 49157 msrpc-49157""",
    # Where intruders and careless set-ups like to listen.
    """1234 tcp-1234, 1337 tcp-1337, 2200 ssh-2200, 22222 ssh-22222, 2022 ssh-2022, 3333 tcp-3333, 4321 rwhois,
    5555 adb, 7777 tcp-7777, 9876 tcp-9876, 31337 tcp-31337, 50050 cobalt-strike, 55553 msf-rpc, 65535 tcp-65535""",
)  # fmt: skip


def top_ports(n: int) -> str:
    """The first ``n`` ports of the list, or all there are, as ranges: ``"21-23,25"``."""
    return port_ranges(set(list(_names())[:n]))


def name_of(port: int) -> str:
    """What usually listens on the port; empty where the list doesn't say."""
    return _names().get(port, "")


@cache
def _names() -> dict[int, str]:
    """Port -> name, in the order of the list."""
    names: dict[int, str] = {}
    for family in _FAMILIES:
        for entry in family.split(","):
            port, name = entry.split()
            names.setdefault(int(port), name)
    return names
