"""What holds pages must itself notice what is wrong."""

from tests.browser.checking import faults, markup_errors, printed

SOUND = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>T</title>{head}</head>'
    "<body><main><h1>T</h1>{body}</main></body></html>"
)


def a_page(body: str = "", head: str = "") -> str:
    return SOUND.format(body=body, head=head)


def test_a_sound_page_has_no_fault(chromium):
    assert faults(chromium, a_page()) == []


def test_pale_text_is_noticed(chromium):
    assert any(
        "color-contrast" in fault for fault in faults(chromium, a_page('<p style="color:#ccc">pale</p>'))
    )


def test_what_is_loaded_is_noticed(chromium):
    assert any("other.png" in fault for fault in faults(chromium, a_page('<img alt="" src="other.png">')))


def test_what_the_policy_refuses_is_noticed(chromium):
    policy = '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'">'
    assert any("console" in fault for fault in faults(chromium, a_page("<p style='top:0'>p</p>", policy)))


def test_a_script_that_fails_is_noticed(chromium):
    assert any("script: " in fault for fault in faults(chromium, a_page("<script>undefined.x</script>")))


def test_a_page_wider_than_a_phone_is_noticed(chromium):
    wide = a_page('<div style="width:700px">wide</div>')
    assert any("360 px: " in fault and "wider" in fault for fault in faults(chromium, wide))


def test_text_is_printed(chromium):
    assert "printed here" in printed(chromium, a_page("<p>printed here</p>")).pages[0].extract_text()


def test_markup_that_is_wrong_is_named_with_its_page():
    (error,) = markup_errors({"good": a_page(), "bad": a_page('<p id="a"></p><p id="a"></p>')})[:1]
    assert error.startswith("bad:")
