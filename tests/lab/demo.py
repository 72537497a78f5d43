"""The demo's three agencies: one that keeps its servers well, one so-so, and one that is years behind."""

from datetime import datetime, timedelta

from tests.lab.authority import HOSTILE_SUBJECTS, Authority
from tests.lab.fleet import LabAgency, LabHost, LabService, RunningFleet, start_fleet
from tests.lab.servers import (
    HOSTILE_GREETING,
    MYSQL_GREETING,
    V1_0,
    V1_2,
    V1_3,
    VNC_GREETING,
    BannerServer,
    ClosingServer,
    DrippingServer,
    EndlessServer,
    LegacyServer,
    NginxServer,
    OpenSslServer,
    PlainHttpServer,
    ResettingServer,
    SilentServer,
    StallingServer,
    TlsServer,
    page,
    random_greeting,
)
from tests.lab.servers.modern_ssh import ModernSshServer

#: What servers were left with that nobody has touched since 2010: CBC only, and keys without forward secrecy.
OLD_CIPHERS = "AES256-SHA:AES128-SHA:ECDHE-RSA-AES128-SHA"

#: Beside one ordinary suite, one that authenticates nobody and one that encrypts nothing.
BROKEN_CIPHERS = "AES128-SHA:ADH-AES128-SHA:NULL-SHA256"


def start_demo(at: datetime) -> RunningFleet:
    """Starts the whole demo, with certificates dated from ``at``. Raises LabError if a server can't start."""
    authority = Authority(at)
    return start_fleet(authority, demo_agencies(authority))


def demo_agencies(authority: Authority) -> tuple[LabAgency, ...]:
    """The description of the demo; ``tests.lab.expectations`` says what a scan of it must see.

    At most one service a host takes a scanner's whole deadline, so that hosts can share out the waiting.
    """
    return (_ministry(authority), _province(authority), _commune(authority))


def _ministry(authority: Authority) -> LabAgency:
    portal = ("cong.bo-vi-du.example", "dich-vu.bo-vi-du.example")
    mail = "thu.bo-vi-du.example"
    exchange = "lien-thong.bo-vi-du.example"
    portal_hosts = tuple((name, authority.good(name)) for name in portal)
    return LabAgency(
        id="bo-vi-du",
        tier="central",
        names={"vi": "Bộ Ví Dụ", "en": "Ministry of Examples"},
        contact=("Nguyễn Thị Mẫu", "an-toan@bo-vi-du.example"),
        hosts=(
            LabHost(
                id="portal-1",
                address="127.20.1.1",
                names=portal,
                role="portal",
                criticality=5,
                services=(
                    LabService(
                        "web",
                        8443,
                        NginxServer(portal_hosts),
                        "public portal and public services",
                        server_names=portal,
                        stand_in=TlsServer((portal_hosts[0][1],), virtual_hosts=portal_hosts),
                    ),
                    LabService("ssh", 2222, ModernSshServer(), "remote administration", tls="none"),
                ),
            ),
            LabHost(
                id="mail-1",
                address="127.20.1.2",
                names=(mail,),
                role="mail",
                criticality=4,
                services=(
                    LabService(
                        "webmail",
                        8443,
                        TlsServer((authority.good(mail), authority.good(mail, key="rsa-3072"))),
                        "webmail",
                    ),
                    LabService(
                        "submission",
                        9465,
                        TlsServer((authority.good(mail, key="ecdsa-384"),)),
                        "mail submission",
                    ),
                ),
            ),
            LabHost(
                id="exchange-1",
                address="127.20.1.3",
                names=(exchange,),
                role="document-exchange",
                criticality=5,
                services=(
                    LabService(
                        "exchange",
                        8443,
                        TlsServer(
                            (authority.good(exchange),),
                            minimum=V1_3,
                            client_certificate="required",
                            client_authorities=(authority.root,),
                        ),
                        "document exchange between agencies",
                    ),
                ),
            ),
        ),
    )


def _province(authority: Authority) -> LabAgency:
    portal = "cong.song-mau.example"
    mail = "thu.song-mau.example"
    one_stop = "mot-cua.song-mau.example"
    video = "hop.song-mau.example"
    return LabAgency(
        id="tinh-song-mau",
        tier="province",
        names={
            "vi": "Ủy ban nhân dân tỉnh Sông Mẫu",
            "en": "People's Committee of Song Mau Province",
        },
        contact=("Trần Văn Thử", "cntt@song-mau.example"),
        hosts=(
            LabHost(
                id="portal-2",
                address="127.20.2.1",
                names=(portal,),
                role="portal",
                criticality=4,
                services=(
                    LabService(
                        "web",
                        8443,
                        TlsServer(
                            (authority.expiring(portal, days=12, key="rsa-2048"),), answer=page(hsts=False)
                        ),
                        "public portal",
                    ),
                    LabService(
                        "old",
                        9443,
                        TlsServer(
                            (authority.good(portal, key="rsa-2048"),),
                            minimum=V1_0,
                            maximum=V1_2,
                            ciphers=OLD_CIPHERS,
                            weak=True,
                        ),
                        "the portal before this one",
                    ),
                ),
            ),
            LabHost(
                id="mail-2",
                address="127.20.2.2",
                names=(mail,),
                role="mail",
                services=(
                    LabService(
                        "webmail",
                        8443,
                        TlsServer(
                            (authority.good(mail, key="rsa-2048"),),
                            maximum=V1_2,
                            ciphers="DHE-RSA-AES256-GCM-SHA384:DHE-RSA-AES128-SHA",
                            weak=True,
                            dh_bits=1024,
                        ),
                        "webmail",
                    ),
                    LabService("imap", 9993, TlsServer((authority.incomplete(mail),)), "mailboxes"),
                ),
            ),
            LabHost(
                id="onestop-1",
                address="127.20.2.3",
                names=(one_stop,),
                role="portal",
                services=(
                    LabService("web", 8443, TlsServer((authority.wrong_name(),)), "one-stop service desk"),
                    LabService(
                        "api", 9443, TlsServer((authority.misordered(one_stop),)), "interface for partners"
                    ),
                    LabService(
                        "redirect", 8080, PlainHttpServer(), "sends visitors to the portal", tls="none"
                    ),
                ),
            ),
            LabHost(
                id="database-1",
                address="127.20.2.4",
                role="database",
                criticality=5,
                services=(
                    LabService("console", 8443, TlsServer((authority.good("127.20.2.4"),)), "console"),
                    LabService("copies", 9444, None, "receives copies from the communes"),
                    LabService(
                        "mysql", 3306, BannerServer(MYSQL_GREETING), "forgotten database", declared=False
                    ),
                ),
            ),
            LabHost(
                id="video-1",
                address="127.20.2.5",
                names=(video,),
                role="video",
                criticality=2,
                services=(
                    LabService("web", 8443, TlsServer((authority.self_signed(video),)), "meeting rooms"),
                    LabService("media", 9443, SilentServer(), "sound and picture"),
                    LabService(
                        "control", 9444, ResettingServer(once_spoken_to=True), "control of the cameras"
                    ),
                ),
            ),
        ),
    )


def _commune(authority: Authority) -> LabAgency:
    portal = "cong.dong-thu.example"
    files = "luu-tru.dong-thu.example"
    camera = "camera.dong-thu.example"
    old = "cu.dong-thu.example"
    camera_identity = authority.not_yet_valid(camera, key="rsa-2048")
    return LabAgency(
        id="xa-dong-thu",
        tier="commune",
        parent="tinh-song-mau",
        names={
            "vi": "Ủy ban nhân dân xã Đồng Thử",
            "en": "People's Committee of Dong Thu Commune",
        },
        contact=("Lê Thị Ví", "vanphong@dong-thu.example"),
        hosts=(
            LabHost(
                id="portal-3",
                address="127.20.3.1",
                names=(portal,),
                role="portal",
                services=(
                    LabService(
                        "web",
                        8443,
                        TlsServer(
                            (
                                authority.issue(
                                    portal,
                                    starts=timedelta(days=-405),
                                    ends=timedelta(days=-40),
                                    key="rsa-2048",
                                    digest="sha1",
                                ),
                            ),
                            minimum=V1_0,
                            maximum=V1_0,
                            ciphers=OLD_CIPHERS,
                            weak=True,
                            answer=page(hsts=False),
                        ),
                        "public portal",
                    ),
                    LabService("admin", 9443, PlainHttpServer(), "administration of the portal"),
                ),
            ),
            LabHost(
                id="files-1",
                address="127.20.3.2",
                names=(files,),
                role="files",
                services=(
                    LabService("web", 8443, LegacyServer(authority.weak_key(files)), "archive"),
                    LabService("sync", 9000, EndlessServer(), "synchronisation"),
                    LabService("vnc", 5900, BannerServer(VNC_GREETING), "remote desktop", declared=False),
                ),
            ),
            LabHost(
                id="camera-1",
                address="127.20.3.3",
                names=(camera,),
                role="camera",
                criticality=1,
                services=(
                    LabService(
                        "web",
                        8443,
                        OpenSslServer(
                            camera_identity, ("-tls1_2", "-cipher", f"{BROKEN_CIPHERS}:@SECLEVEL=0")
                        ),
                        "camera at the gate",
                        stand_in=TlsServer(
                            (camera_identity,), maximum=V1_2, ciphers=BROKEN_CIPHERS, weak=True
                        ),
                    ),
                    LabService("stream", 9443, DrippingServer(in_handshake=True), "pictures"),
                    LabService("console", 2323, BannerServer(HOSTILE_GREETING), "console", tls="none"),
                ),
            ),
            LabHost(
                id="old-1",
                address="127.20.3.4",
                names=(old,),
                role="records",
                criticality=2,
                services=(
                    LabService(
                        "web",
                        8443,
                        TlsServer(
                            (
                                authority.hostile(
                                    old, subject=HOSTILE_SUBJECTS["html"], ends=timedelta(days=25 * 365)
                                ),
                            ),
                            closes=False,
                        ),
                        "records until 2015",
                    ),
                    LabService("scanner", 9443, StallingServer(authority.good(old)), "document scanner"),
                    LabService("printer", 9100, BannerServer(random_greeting(7)), "printer", tls="none"),
                    LabService("relay", 9444, ClosingServer(), "relay"),
                ),
            ),
        ),
    )
