from hmtnet.report.markup import Markup, breakable, element, joined


def test_text_and_attributes_are_escaped():
    found = element("p", "<script>alert('x')</script> & co", title='"><b>', class_="a")
    assert found == (
        '<p title="&quot;&gt;&lt;b&gt;" class="a">'
        "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt; &amp; co</p>"
    )


def test_markup_stays_as_it_is():
    assert element("p", element("b", "<"), None, 3) == "<p><b>&lt;</b>3</p>"
    assert joined([Markup("<i>"), "<i>", None], " ") == "<i> &lt;i&gt;"


def test_attributes():
    assert element("img", src="x", alt="", loading=None) == '<img src="x" alt="">'
    found = element("div", hidden=True, inert=False, data_value=0.5, aria_label="a")
    assert found == '<div hidden data-value="0.5" aria-label="a"></div>'


def test_long_names_may_break_and_stay_escaped():
    assert breakable("a.b/<i>_c=.") == "a.<wbr>b/<wbr>&lt;i&gt;_<wbr>c=<wbr>."
    assert breakable("plain") == "plain"
