//! Reports in the clothes of an organisation: logo, colour, templates of its own; and what
//! is refused.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use intransit::render::branding::Branding;
use serde_json::Value;

use crate::office::{Office, WEEKLY};
use crate::support::{SVG, png, text};

const DUE: &str = "2026-11-16T10:00:00Z";
const ACCENT: &str = "accent = \"#0f6cbd\"\n";

/// An office whose installation has this `[branding]` and these files.
fn office(branding: &str, files: &[(&str, &str)]) -> Office {
    let office = Office::new();
    brand(&office, branding);
    office.folder.add("branding/logo.svg", SVG);
    office.folder.add("branding/logo.png", png(200, 50));
    for (name, content) in files {
        office.folder.add(name, content);
    }
    office
}

fn brand(office: &Office, branding: &str) {
    let settings = "[report]\norganisation = \"Contoso <R&D>\"\n\n\
                    [mail]\nfrom = \"Mail audit <mail-audit@contoso.example>\"\n\n\
                    [[source]]\npath = \"traces/*.csv\"\n\n[branding]\n";
    office.folder.add("intransit.toml", format!("{settings}{branding}"));
}

/// A report on demand: the page.
fn page(office: &Office, more: &[&str]) -> String {
    let args = ["report", "--formats", "html", "--out", "out"];
    office.ends(0, DUE, &[&args[..], more].concat());
    text(&std::fs::read(office.path("out/report.html")).unwrap())
}

fn policy(page: &str) -> &str {
    let meta = "<head>\n<meta http-equiv=\"Content-Security-Policy\" content=\"";
    assert_eq!(page.matches("http-equiv").count(), 1);
    page.split_once(meta).unwrap().1.split('"').next().unwrap()
}

const LOGO: &str = "logo = \"branding/logo.svg\"\n";
const OWN: &str = "templates = \"own\"\n";

/// Keys of `[branding]`, a file and its content, the key that is named, and what is said.
type Wrong = [&'static str; 5];

#[rustfmt::skip]
const WRONG: [Wrong; 17] = [
    ["acent = \"#0f6cbd\"\n", "a", "", "acent", "did you mean `accent`?"],
    ["accent = \"blue\"\n", "a", "", "branding.accent", "six hexadecimal digits"],
    ["accent = \"#4a90e2\"\n", "a", "", "branding.accent", "a contrast of 3.29 to 1 against white"],
    ["accent = \"#4a90e2\"\n", "a", "", "branding.accent", "can be read is #3d78bc"],
    ["logo = \"no.svg\"\n", "a", "", "branding.logo", "cannot read `no.svg`"],
    ["logo = \"branding\"\n", "a", "", "branding.logo", "cannot read `branding`"],
    [LOGO, "branding/logo.svg", "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 9 9'>\n<script/></svg>",
        "branding.logo", "`branding/logo.svg`: line 2: the element `script`: not allowed in a logo"],
    [LOGO, "branding/logo.svg", "GIF89a", "branding.logo", "neither PNG nor SVG"],
    ["logo_png = \"branding/logo.svg\"\n", "a", "", "branding.logo_png", "is no PNG"],
    [OWN, "a", "", "branding.templates", "cannot read `own/`"],
    [OWN, "own/report.html", "{% extends \"builtin/report.html\" %}\n{% block before %}\n{{ view.nobody }}{% endblock %}",
        "branding.templates", "own/report.html line 3: undefined value: `view.nobody`"],
    [OWN, "own/mail/report.html", "<p>\n{{ mail.title | shout }}",
        "branding.templates", "own/mail/report.html line 2: unknown filter"],
    [OWN, "own/mail/report.txt", "a\nb\n{% for x in mail.notices %}",
        "branding.templates", "own/mail/report.txt line 3: syntax error"],
    [OWN, "own/raport.html", "x", "branding.templates", "own/raport.html: no template has this name"],
    [OWN, "own/mail/report.html", "<p>\n<IMG src=x>",
        "branding.templates", "own/mail/report.html line 2: `<img` is not allowed"],
    [OWN, "own/mail/report.html", "{{ 'x' * 90000 }}",
        "branding.templates", "own/mail/report.html: makes 90000 bytes, where less than 80000"],
    [OWN, "own/report.html", "<!doctype html><html><head></head></html>",
        "branding.templates", "own/report.html: lacks a total"],
];

/// Everything that can be wrong is told with file, key and place before anything is made.
#[test]
fn what_is_wrong_is_told_with_file_and_key() {
    for [keys, name, content, key, found] in WRONG {
        let office = office(keys, &[(name, content)]);
        for command in [
            &["schedule", "check", "--offline"][..],
            &["report", "--out", "out"],
            &["report", "--archive"],
            &["tick"],
        ] {
            let said = office.ends(2, DUE, command);
            let told = said.contains("intransit.toml") && said.contains(key);
            assert!(told && said.contains(found), "{command:?}, {found}: {said}");
            let messages = said.lines().filter(|line| line.starts_with("error: "));
            assert_eq!(messages.count(), 1, "one message: {said}");
        }
        let made = ["out", "evidence", "outbox"].map(|name| office.path(name).exists());
        assert_eq!(made, [false; 3], "{found}: nothing was made");
    }
}

/// A schedule's own table goes before the installation's, key by key; and takes away.
#[test]
fn a_schedule_may_look_otherwise() {
    let office = office(&format!("{ACCENT}logo = \"branding/logo.svg\"\n"), &[]);
    let own = "\n[branding]\naccent = \"#5b2d8e\"\nlogo = \"\"\n";
    office.folder.add("schedules/weekly.toml", format!("{WEEKLY}{own}"));
    office.ends(0, DUE, &["run", "weekly"]);
    let filed = text(&office.filed(&office.bags()[0], "report.html"));
    assert!(filed.contains("--accent:#5b2d8e") && !filed.contains("<img"));
    let shown = page(&office, &[]);
    assert!(shown.contains("--accent:#0f6cbd") && shown.contains("<img"));
    let wrong = own.replace("#5b2d8e", "#eeeeee");
    office.folder.add("schedules/weekly.toml", format!("{WEEKLY}{wrong}"));
    let said = office.ends(2, DUE, &["schedule", "check", "--offline"]);
    assert!(said.contains("weekly.toml") && said.contains("branding.accent"), "{said}");
}

/// The page holds its logo, names it, and may load nothing else.
#[test]
fn the_page_shows_the_logo_and_loads_nothing() {
    for (name, kind) in [("logo.svg", "image/svg+xml"), ("logo.png", "image/png")] {
        let office = office(&format!("logo = \"branding/{name}\"\n"), &[]);
        let shown = page(&office, &[]);
        let file = std::fs::read(office.path("branding").join(name)).unwrap();
        let address = format!("data:{kind};base64,{}", BASE64_STANDARD.encode(file));
        let tag = format!("<img class=\"logo\" src=\"{address}\" alt=\"Contoso &lt;R&amp;D&gt;\">");
        assert_eq!((shown.matches("<img").count(), shown.matches(&tag).count()), (1, 1));
        assert!(
            policy(&shown).starts_with("default-src 'none'; img-src data:; style-src 'sha256-")
        );
        let rest = shown.replace(&address, "");
        for foreign in ["data:", "http://", "https://", "@import", "url("] {
            let allowed = usize::from(foreign == "data:");
            assert_eq!(rest.matches(foreign).count(), allowed, "{name}: {foreign}");
        }
    }
    let plain = page(&office(ACCENT, &[]), &[]);
    assert!(policy(&plain).starts_with("default-src 'none'; style-src 'sha256-"));
    assert!(!plain.contains("data:") && !plain.contains("<img"));
}

/// The colour stands in page and mail, with a tint for dark ground; the mail has no picture.
#[test]
fn the_colour_is_in_page_and_mail() {
    let office = office(&format!("{ACCENT}logo = \"branding/logo.svg\"\n"), &[]);
    office.ends(0, DUE, &["run", "weekly"]);
    let filed = text(&office.filed(&office.bags()[0], "report.html"));
    assert!(filed.contains(":root{--accent:#0f6cbd;--link:#0f6cbd}"));
    let dark = "@media screen and (prefers-color-scheme:dark){:root{--link:#";
    let tint = filed.split(dark).nth(1).unwrap().split('}').next().unwrap();
    assert!(tint.len() == 6 && tint != "0f6cbd", "{tint}");
    assert!(filed.contains("<header class=\"branded\">"));
    for mail in office.mails() {
        assert!(mail.html.contains("<h1 class=\"accent\"") && mail.html.contains("color:#0f6cbd"));
        assert!(mail.html.contains(&format!(".accent {{ color: #{tint} !important; }}")));
        assert!(!mail.html.contains("<img") && !mail.html.contains("data:"));
        assert!(mail.html.len() < 20_000, "{}", mail.html.len());
    }
    let bare = Office::new();
    bare.ends(0, DUE, &["run", "weekly"]);
    assert!(!bare.mails()[0].html.contains("accent"));
    assert!(!bare.path("evidence/bags/000001-weekly-2026-11-16/data/branding.json").exists());
}

/// A notice has the colour too, but never a template: it is sent whatever is at fault.
#[test]
fn notices_have_the_colour_only() {
    let files = [("own/mail/report.html", "<p>{{ mail.title }}</p>")];
    let office = office(&format!("{ACCENT}{OWN}"), &files);
    office.ends(0, DUE, &["deliver", "test", "me@contoso.example"]);
    let [mail] = &office.mails()[..] else { panic!("one mail") };
    assert!(mail.html.contains("#0f6cbd") && mail.html.contains("</html>"));
}

const PAGE: &str = "{% extends \"builtin/report.html\" %}
{% block before %}
<p class=\"house\">Internal: {{ view.organisation }}</p>
{% include \"_names.html\" %}
{% endblock %}
{% block peers %}{{ super() }}{% endblock %}
";
const NAMES: &str = "<ul>{% for p in view.periods %}{% for t in p.connectors %}{% for row in t.rows %}\
                     <li title=\"{{ row.cells[0].text }}\">{{ row.cells[0].text }}</li>\
                     {% endfor %}{% endfor %}{% endfor %}</ul>\n";
const BODY: &str = "{% extends \"mail/frame.html\" %}
{% block body %}<p>House mail of {{ mail.title }}</p>
{% for t in mail.tables %}{% for row in t.rows %}<p>{{ row[0] }}</p>{% endfor %}{% endfor %}
{% endblock %}
";
const LETTER: &str = "House letter\n\n{% include \"builtin/mail/report.txt\" %}";

fn with_templates() -> Office {
    let files = [
        ("own/report.html", PAGE),
        ("own/_names.html", NAMES),
        ("own/report.css", ".house{border:2px solid var(--accent)}\n"),
        ("own/mail/report.html", BODY),
        ("own/mail/report.txt", LETTER),
        ("own/.report.html.swp", "hidden files are nobody's"),
    ];
    office(&format!("{ACCENT}{OWN}"), &files)
}

/// Templates of an organisation are used, see what the built-in ones see, and what they are
/// given stays text.
#[test]
fn own_templates_are_used_and_names_stay_text() {
    let office = with_templates();
    let rows = [
        "2026-11-10T12:00:00Z,1,Inbound,<img src=x onerror=alert(1)>,No TLS,a@x.example,b@y.example",
        "2026-11-10T12:00:00Z,2,Inbound,\"{{ 7 * 7 }}\"\" onfocus=\"\"x\",TLS1.2,a@x.example,b@y.example",
    ];
    office.folder.add("traces/all.csv", crate::support::detail(&rows));
    let settings = std::fs::read_to_string(office.path("intransit.toml")).unwrap();
    let settings = format!("{settings}[insights]\nmin_messages = 1\n");
    office.folder.add("intransit.toml", settings);
    office.ends(0, DUE, &["run", "weekly"]);
    let filed = text(&office.filed(&office.bags()[0], "report.html"));
    assert!(filed.contains("<p class=\"house\">Internal: Contoso &lt;R&amp;D&gt;</p>"));
    assert!(filed.contains("<li title=\"&lt;img src=x onerror=alert(1)&gt;\">&lt;img src=x"));
    assert!(filed.contains("<li title=\"{{ 7 * 7 }}&quot; onfocus=&quot;x\">"));
    assert!(!filed.contains("<img"));
    assert!(filed.contains(".house{border:2px solid var(--accent)}\n</style>"));
    let style = filed.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
    let hash = BASE64_STANDARD.encode(<sha2::Sha256 as sha2::Digest>::digest(style.as_bytes()));
    assert!(policy(&filed).contains(&format!("style-src 'sha256-{hash}'")));
    assert!(filed.contains("<section id=\"peers\"") && filed.contains("<script type="));
    let [mail] = &office.mail_to("officer@contoso.example")[..] else { panic!("one mail") };
    assert!(mail.html.contains("House mail of Mail protected in transit"), "{}", mail.html);
    assert!(mail.html.contains("<p>&lt;img src=x onerror=alert(1)&gt;</p>"), "{}", mail.html);
    assert!(mail.text.starts_with("House letter"), "{}", mail.text);
    assert!(mail.text.contains("Filed as 000001-weekly-2026-11-16"));
}

/// What text is not escaped in does not get into HTML.
#[test]
fn html_does_not_see_plain_text_templates() {
    let files = [("own/mail/report.html", "<pre>{% include \"mail/report.txt\" %}</pre>")];
    let office = office(OWN, &files);
    let said = office.ends(2, DUE, &["schedule", "check", "--offline"]);
    assert!(said.contains("line 1: template not found"), "{said}");
}

/// What does not end is ended.
#[test]
fn a_template_comes_to_an_end() {
    let cases = [
        (
            "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
            "to an end",
        ),
        ("{% for a in range(99999) %}{{ 'x' * 9999 }}{% endfor %}", "makes more than"),
        ("{% include 'report.html' %}", "recursion limit"),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "recursion limit"),
        ("{% extends 'report.html' %}", "cycle"),
    ];
    for (template, what) in cases {
        let office = office(OWN, &[("own/report.html", template)]);
        let said = office.ends(2, DUE, &["report", "--json"]);
        assert!(said.contains("own/report.html") && said.contains(what), "{template}: {said}");
    }
}

/// A template may fail on a report that is unlike the examples: the run fails with the place,
/// before anything is filed or sent, and is told.
#[test]
fn a_template_that_fails_on_this_report_stops_its_run_alone() {
    let trap = "text{% if 'on Fabrikam (' in mail.changes|join %}\n{{ boom }}{% endif %}";
    let office = office(&format!("{ACCENT}{OWN}"), &[("own/mail/report.txt", trap)]);
    let notify = format!("{WEEKLY}\n[notify]\naddress = \"admin@contoso.example\"\n");
    office.folder.add("schedules/weekly.toml", notify);
    office.ends(0, DUE, &["schedule", "check", "--offline"]);
    let rows = "2026-11-10T12:00:00Z,1,Inbound,Fabrikam,TLS1.2,a@x.example,b@y.example";
    let before = "2026-11-01T12:00:00Z,2,Inbound,,TLS1.2,a@x.example,b@y.example";
    office.folder.add("traces/all.csv", crate::support::detail(&[before, rows]));
    let said = office.ends(2, DUE, &["run", "weekly"]);
    assert!(said.contains("own/mail/report.txt line 2: undefined value"), "{said}");
    assert_eq!((office.bags().len(), office.runs()), (0, vec!["2026-11-16T07:00 failed".into()]));
    let [notice] = &office.mails()[..] else { panic!("one notice") };
    assert!(notice.to == "admin@contoso.example" && notice.text.contains("own/mail/report.txt"));
    assert!(notice.html.contains("color:#0f6cbd"), "a notice has the colour, too");
}

/// What a report looked like is filed with it: it is made again whatever became of the files.
#[test]
fn a_report_is_made_again_as_it_looked() {
    let office = with_templates();
    let branding = "logo = \"branding/logo.svg\"\nlogo_png = \"branding/logo.png\"\n";
    brand(&office, &format!("{ACCENT}{OWN}{branding}"));
    office.ends(0, DUE, &["run", "weekly"]);
    let bag = office.bags()[0].clone();
    let record = office.filed(&bag, "branding.json");
    let filed: Value = serde_json::from_slice(&record).unwrap();
    assert_eq!(filed["accent"], "#0f6cbd");
    assert_eq!(filed["logo"], BASE64_STANDARD.encode(SVG));
    assert_eq!(filed["templates"]["files"]["report.html"], PAGE);
    assert_eq!(Branding::from_record(&record).unwrap().record().unwrap(), record);
    // Logo, colour and templates change, or go away.
    office.folder.add("branding/logo.svg", SVG.replace("0f6cbd", "ff0000"));
    office.folder.add("branding/logo.png", png(10, 10));
    office.folder.add("own/report.html", PAGE.replace("Internal", "Public"));
    let again = office.json(DUE, &["archive", "reproduce", "1"]);
    assert_eq!(again["different"], serde_json::json!([]), "{again}");
    assert_eq!(again["same"].as_array().unwrap().len(), 5);
    std::fs::remove_dir_all(office.path("own")).unwrap();
    brand(&office, "");
    office.ends(0, DUE, &["archive", "reproduce", "1"]);
    office.ends(0, DUE, &["archive", "verify"]);
    // The same again with what was filed taken away is another page.
    let path = office.path("evidence/bags").join(&bag).join("data/branding.json");
    std::fs::remove_file(&path).unwrap();
    let output = office.at(DUE, &["archive", "reproduce", "1"]);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("DIFFERENT: report.html") && said.contains("DIFFERENT: report.pdf"));
    // What was tampered with is not believed.
    let worse =
        text(&record).replace(&BASE64_STANDARD.encode(SVG), &BASE64_STANDARD.encode("<svg/>"));
    intransit::store::write_atomic(&path, worse.as_bytes()).unwrap();
    let said = office.ends(3, DUE, &["archive", "reproduce", "1"]);
    assert!(said.contains("branding.json") && said.contains("xmlns"), "{said}");
}

/// A report on demand looks the same, is filed with its looks, and twice the same bytes.
#[test]
fn a_report_on_demand_looks_the_same() {
    let office = with_templates();
    let branding = "logo = \"branding/logo.png\"\n";
    brand(&office, &format!("{ACCENT}{OWN}{branding}"));
    for out in ["one", "two"] {
        office.ends(0, DUE, &["report", "--out", out]);
    }
    for name in ["report.html", "report.pdf", "report.json", "connectors.csv"] {
        let read = |out: &str| std::fs::read(office.path(out).join(name)).unwrap();
        assert!(read("one") == read("two"), "{name}");
    }
    office.ends(0, DUE, &["report", "--archive", "--json"]);
    let page = text(&office.filed(&office.bags()[0], "report.html"));
    assert!(page.contains("class=\"house\"") && page.contains("image/png"));
    brand(&office, "");
    office.ends(0, DUE, &["archive", "reproduce", "1"]);
}

/// The process ended after sealing: the letters look as the report does, whatever became of
/// the settings meanwhile.
#[test]
fn letters_after_a_crash_look_like_the_sealed_report() {
    let office = with_templates();
    office.ends(0, DUE, &["run", "weekly"]);
    let sent: Vec<String> = office.mails().into_iter().map(|mail| mail.html).collect();
    let ledger = rusqlite::Connection::open(office.path("state/ledger.db")).unwrap();
    ledger
        .execute_batch(
            "UPDATE run SET state = 'running', sealing = bag, bag = NULL, seq = NULL;
             DELETE FROM head; DELETE FROM outbox;",
        )
        .unwrap();
    drop(ledger);
    std::fs::remove_dir_all(office.path("outbox")).unwrap();
    brand(&office, "accent = \"#5b2d8e\"\n");
    office.ends(0, DUE, &["tick"]);
    let again: Vec<String> = office.mails().into_iter().map(|mail| mail.html).collect();
    assert_eq!((again, office.bags().len()), (sent, 1));
}

/// Where the logo cannot be drawn in the document, whoever set it is told.
#[test]
fn a_logo_that_the_document_cannot_have_is_told() {
    let svg = "logo = \"branding/logo.svg\"\n";
    let office = office(svg, &[]);
    let told = |said: &str| said.contains("report.pdf has no logo") && said.contains("logo_png");
    assert!(told(&office.ends(0, DUE, &["schedule", "check", "--offline"])));
    assert!(told(&office.ends(0, DUE, &["report", "--out", "out"])));
    assert!(!told(&office.ends(0, DUE, &["report", "--formats", "html", "--out", "out"])));
    brand(&office, &format!("{svg}logo_png = \"branding/logo.png\"\n"));
    assert!(!told(&office.ends(0, DUE, &["schedule", "check", "--offline"])));
    assert!(!told(&office.ends(0, DUE, &["report", "--out", "out"])));
}

/// The page that is written with templates for documentation is one that works, and names
/// every variable that there is.
#[test]
fn the_documentation_is_whole() {
    let guide = std::fs::read_to_string("docs/templates.md").unwrap();
    let example = |name: &str| {
        let open = format!("<!-- {name} -->\n```");
        let rest = guide.split_once(&open).unwrap_or_else(|| panic!("{name} is in the guide")).1;
        rest.split_once('\n').unwrap().1.split_once("```").unwrap().0.to_owned()
    };
    let names = ["report.html", "report.css", "mail/report.html", "mail/report.txt"];
    let texts = names.map(|name| (format!("templates/{name}"), example(name)));
    let files: Vec<(&str, &str)> = texts.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    let office = office(&format!("{ACCENT}templates = \"templates\"\n"), &files);
    office.ends(0, DUE, &["run", "weekly"]);
    assert_eq!(office.mails().len(), 2);
    // Every name that a template can reach is in the guide.
    let walk = "{% macro walk(it) %}{% if it is mapping %}{% for key in it %}[{{ key }}]{{ walk(it[key]) }}\
                {% endfor %}{% elif it is sequence and it is not string %}{% for one in it %}{{ walk(one) }}\
                {% endfor %}{% endif %}{% endmacro %}";
    let page = format!(
        "{{% extends \"builtin/report.html\" %}}{walk}\
         {{% block before %}}<p id=\"names\">{{{{ walk(view) }}}}{{{{ walk(page) }}}}</p>{{% endblock %}}"
    );
    let mail = format!("{walk}{{{{ walk(mail) }}}}");
    office.folder.add("templates/report.html", page);
    office.folder.add("templates/mail/report.txt", mail);
    office.ends(0, DUE, &["run", "weekly", "--revise"]);
    let shown = text(&office.filed(&office.bags()[1], "report.html"));
    let shown = shown.split("<p id=\"names\">").nth(1).unwrap().split("</p>").next().unwrap();
    let letter = office.mails().into_iter().find(|mail| mail.text.starts_with('[')).unwrap();
    let all = format!("{shown}{}", letter.text.replace('\n', ""));
    let mut names: Vec<&str> =
        all.split('[').skip(1).map(|rest| rest.split(']').next().unwrap()).collect();
    names.sort_unstable();
    names.dedup();
    assert!(names.len() > 60, "{names:?}");
    for name in names {
        assert!(guide.contains(&format!("`{name}`")), "docs/templates.md lacks `{name}`");
    }
}
