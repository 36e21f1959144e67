package source

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

// skeleton is a definition that can be used, as files of a folder.
func skeleton(t testing.TB, name string) fstest.MapFS {
	t.Helper()
	files, err := Skeleton(name)
	if err != nil {
		t.Fatal(err)
	}
	fsys := fstest.MapFS{}
	for path, text := range files {
		fsys[name+"/"+path] = &fstest.MapFile{Data: bytes.ReplaceAll(text, []byte("api.example.com"), []byte("api.acme.test"))}
	}
	return fsys
}

// edit replaces a text in a file, which must be there once.
func edit(t testing.TB, fsys fstest.MapFS, path, old, text string) {
	t.Helper()
	if n := bytes.Count(fsys[path].Data, []byte(old)); n != 1 {
		t.Fatalf("%s holds %q %d times", path, old, n)
	}
	fsys[path].Data = bytes.ReplaceAll(fsys[path].Data, []byte(old), []byte(text))
}

// mustLoad gives the one definition of a folder.
func mustLoad(t testing.TB, fsys fstest.MapFS) *Definition {
	t.Helper()
	all, problems := Load(fsys)
	if len(problems) > 0 || len(all) != 1 {
		t.Fatalf("%d definitions, %v", len(all), problems)
	}
	return all[0]
}

func TestSkeletonWorks(t *testing.T) {
	d := mustLoad(t, skeleton(t, "acme_intel"))
	if d.Name() != "acme_intel" || d.Title() != "Acme Intel" || d.Settings().Secrets[0].Env != "ACME_INTEL_API_KEY" || d.Settings().Params[0].Env != "ACME_INTEL_MAX_AGE_DAYS" {
		t.Errorf("%+v", d.Settings())
	}
}

// Each of these keeps the definition from being used, and says where.
func TestLoadRefuses(t *testing.T) {
	const src, fix = "acme/source.yaml", "acme/fixtures.yaml"
	for _, c := range []struct {
		file, old, text string
		at              string // what the line holds that the problem names
		say             string
	}{
		{src, "title: Acme", "titel: Acme", "titel", "titel is not a field here"},
		{src, "tlp: TLP:AMBER\n", "tlp: TLP:PINK\n", "TLP:PINK", "tlp: value must be one of"},
		{src, "tlp: TLP:AMBER\n", "", "", "missing property"},
		{src, "title: Acme", "title: [Acme]", "title: [", "title: got array, want string"},
		{src, "title: Acme", "title: Acme\ntitle: Again", "", "already defined"},
		{src, "title: Acme", "title: \"Acme", "", "did not find"},
		{src, "source: acme\n", "source: other\n", "source: other", "a source's folder has its name"},
		{src, "api.acme.test", "api.example.com", "example.com/v1", "still the address of the skeleton"},
		{src, "https://api.acme.test/v1", "http://api.acme.test/v1", "http://api", "does not match pattern"},
		{src, "class: rate_limited}", "class: slow}", "slow", "class: value must be one of"},
		{src, "types: [IPv4-Addr, IPv6-Addr]", "types: [IPv4-Addr, Report]", "Report", "value must be one of"},
		{src, "types: [IPv4-Addr, IPv6-Addr]", "types: [StixFile]", "StixFile", "by which hashes"},
		{src, "{params.max_age_days}", "{params.max_age}", "max_age}", "no parameter is called max_age"},
		{src, "{params.max_age_days}", "{param.max_age_days}", "{param.max", "holds a brace"},
		{src, "{secrets.api_key}", "{secrets.key}", "{secrets.key}", "no secret is called key"},
		{src, `path: "/ip/{value}"`, `path: "/ip/{value}/{secrets.api_key}"`, "/{secrets", "a secret belongs under http.auth"},
		{src, `path: "/ip/{value}"`, `{path: "/submit", method: POST, json: {u: "{value}"}}`, "", "did not find"},
		{src, `path: "/ip/{value}"`, "path: /submit\n      method: POST", "method: POST", "cannot submit, upload or scan"},
		{src, `path: "/ip/{value}"`, "path: /x\n      method: DELETE", "method: DELETE", "must be one of"},
		{src, `path: "/ip/{value}"`, "path: /x\n      json: {a: b}", "", "a GET has no body"},
		{src, "default: 90", "default: 900", "default: 900", "out of bounds"},
		{src, "default: 90", "default: often", "default: often", "not a whole number"},
		{src, "quota: 1000/day", "quota: 1000/fortnight", "fortnight", "does not match pattern"},
		{src, "found: 24h, not_found", "found: one day, not_found", "one day", "does not match pattern"},
		{src, "{status: 429, class: rate_limited}", "{class: rate_limited}", "{class: rate", "neither a status nor a when"},
		{src, "message: .body.error | strings", "message: .body.error | string", "message:", "string/0 is not available"},
		{src, "{op: \"score\", value: (.score | scale(10))},", "{op: \"score\", value: (.score | scale(10)},", `{op: "score"`, "unexpected token"},
		{src, "(.tags[]? | {op", "(.tags[]? | reduce . as $x (0; . + 1) | {op", "(.tags[]?", "reduce is not available"},
		{src, "(.tags[]? | {op", "($unbound | {op", "($unbound", "$unbound"},
		{src, "(.tags[]? | {op", "($__budget | {op", "($__budget", "$__budget is not available"},
		{src, "env: ACME_API_KEY", "env: OPENCTI_TOKEN", "OPENCTI_TOKEN", "OPENCTI_TOKEN is OpenCTI's or enrichgate's"},
		{src, "env: ACME_API_KEY", "env: CONNECTORS_KEY", "CONNECTORS_KEY", "begin with CONNECTORS_"},
		{src, "env: ACME_API_KEY", "env: HTTP_PROXY", "HTTP_PROXY", "HTTP_PROXY is the machine's"},
		{src, "env: ACME_API_KEY", "env: AWS_SECRET_ACCESS_KEY", "AWS_SECRET", "the key of something else: begin it with ACME_"},
		{src, "env: ACME_API_KEY", "env: ACME_TIMEOUT", "ACME_TIMEOUT", "ACME_TIMEOUT is a setting that every source has already"},
		{src, "env: ACME #", "env: MQ #", "env: MQ #", "MQ is OpenCTI's or enrichgate's"},
		{src, "env: ACME #", "env: HTTP #", "env: HTTP #", "HTTP_ begins HTTP_PROXY"},
		{src, "max_age_days: {type: int", "max_age_days: {env: ENRICHGATE_ADMIN_TOKEN, type: int", "ENRICHGATE_ADMIN_TOKEN", "begin with ENRICHGATE_"},
		{src, "max_age_days: {type: int", "max_age_days: {env: ACME_API_KEY, type: int", "env: ACME_API_KEY, type", "ACME_API_KEY is a secret already"},
		{src, "max_age_days: {type: int", "max_age_days: {env: ACME_API_KEY_FILE, type: int", "ACME_API_KEY_FILE", "the file of a secret already"},
		{src, "  params:\n", "  params:\n    timeout: {type: int, default: 3, title: T}\n", "timeout:", "a parameter cannot be called timeout: that is a setting that every source has already"},
		{src, "  params:\n", "  params:\n    quota: {type: int, default: 3, title: T}\n", "quota: {", "a parameter cannot be called quota"},
		{src, "  params:\n", "  params:\n    cost_ip: {type: int, default: 3, title: T}\n", "cost_ip:", "a parameter cannot be called cost_ip"},
		{src, "  params:\n", "  params:\n    api_key: {type: int, default: 3, title: T}\n", "api_key: {type", "a parameter cannot be called api_key: that is a secret already"},
		{src, "  params:\n", "    enabled: {env: ACME_SWITCH, title: T}\n  params:\n", "enabled:", "a secret cannot be called enabled"},
		{src, "  params:\n", "    spare: {env: ACME_SPARE, title: T}\n  params:\n", "spare:", "nothing sends the secret spare"},
		{src, "  params:\n", "  aliases:\n    OPENCTI_TOKEN: ACME_API_KEY\n  params:\n", "OPENCTI_TOKEN", "OPENCTI_TOKEN is OpenCTI's"},
		{src, "quota: 1000/day", "quota: search:100/day,1000/day", "search:100", "search:100/day: no lookup has the bucket search"},
		{src, "name: X-Api-Key", `name: "X-Api-Key:"`, "X-Api-Key:", `"X-Api-Key:" cannot be the name of a header`},
		{src, "name: X-Api-Key", "name: X Api Key", "X Api Key", "cannot be the name of a header"},
		{src, "name: X-Api-Key", "name: host", "name: host", "the header host is not a definition's to set"},
		{src, "  auth:\n", "  headers:\n    Content-Length: \"3\"\n  auth:\n", "Content-Length", "the header Content-Length is not a definition's to set"},
		{src, "  auth:\n", "  headers:\n    X-Client: \"a\\nb\"\n  auth:\n", "X-Client", "holds what cannot be sent in one"},
		{src, `path: "/ip/{value}"`, "path: /x\n      headers: {\"Accept Language\": en}", "Accept Language", "cannot be the name of a header"},
		{src, `"{secrets.api_key}"`, "3f1c9a0b5d7e4c2a8b6f", "3f1c9a0b5d7e4c2a8b6f", "the same for everybody"},
		{fix, "class: found\n", "class: not_found\n", "class: not_found", "found: the rules say found"},
		{fix, "request: GET /ip/192.0.2.10?days=90", "request: GET /ip/192.0.2.10", "request:", `asks "GET /ip/192.0.2.10?days=90"`},
		{fix, "body: found.json", "body: nowhere.json", "nowhere", "cannot be read"},
		{fix, "class: auth_failed, charged: no", "class: forbidden, charged: no", "name: auth_failed", "the rules say auth_failed"},
		{fix, "  - name: found\n    type: IPv4-Addr\n    value: 192.0.2.10", "  - name: found\n    type: IPv4-Addr\n    value: nothing", "value: nothing", "not an IPv4 address"},
		{fix, "  - name: found\n    type: IPv4-Addr", "  - name: found\n    type: Domain-Name", "value: 192.0.2.10", "is not a domain"},
		{fix, "class: rate_limited, charged: no", "class: rate_limited, charged: unknown", "name: rate_limited", "does not say that it is not charged"},
		{fix, "fixtures:\n  - name", "without: {found: none}\nfixtures:\n  - nam", "nam: found", "nam is not a field"},
	} {
		fsys := skeleton(t, "acme")
		edit(t, fsys, c.file, c.old, c.text)
		all, problems := Load(fsys)
		name := strings.TrimSpace(c.text)
		if len(all) != 0 || len(problems) == 0 {
			t.Errorf("%s: %d definitions, %v", name, len(all), problems)
			continue
		}
		lines := strings.Split(string(fsys[c.file].Data), "\n")
		said := false
		for _, p := range problems {
			if p.File == c.file && strings.Contains(p.Reason, c.say) {
				said = true
				if c.at != "" && (p.Line == 0 || !strings.Contains(lines[p.Line-1], c.at)) {
					t.Errorf("%s: %v, not at %q", name, p, c.at)
				}
			}
		}
		if !said {
			t.Errorf("%s: %v", name, problems)
		}
	}
}

// A rule that would keep what no provider means is refused where it stands.
func TestLoadRefusesWhatWouldKeepHostileAnswers(t *testing.T) {
	const strict = `(.body.ip | same($value)) and (.body.score | type) == "number"`
	for lax, say := range map[string]string{
		`.status == 200`:                     "the JSON [] under status 200",
		`.body.error == null`:                "the JSON {} under status 200",
		`(.body | type) == "object"`:         "under status 200 would be kept as found",
		`(.body.score | type) == "number"`:   "its own answer with -1 everywhere",
		`.body.ip != null`:                   `its own answer with "wrong" everywhere`,
		`.body | has("ip") and has("score")`: "its own answer with null everywhere",
	} {
		fsys := skeleton(t, "acme")
		edit(t, fsys, "acme/source.yaml", strict, lax)
		_, problems := Load(fsys)
		if len(problems) == 0 {
			t.Errorf("%s is let through", lax)
			continue
		}
		p := problems[len(problems)-1]
		line := strings.Split(string(fsys["acme/source.yaml"].Data), "\n")[max(0, p.Line-1)]
		if p.File != "acme/source.yaml" || !strings.Contains(p.Reason, say) || !strings.Contains(line, lax) {
			t.Errorf("%s: %v", lax, problems)
		}
	}
	fsys := skeleton(t, "acme")
	edit(t, fsys, "acme/source.yaml", `{status: 404, when: '.body.error == "no record"', class: not_found}`, `{status: 404, class: not_found}`)
	_, problems := Load(fsys)
	if len(problems) != 1 || !strings.Contains(problems[0].Reason, "under status 404 would be kept as not_found") {
		t.Errorf("%v", problems)
	}
}

// One broken definition costs no other.
func TestBrokenDefinitionsCostNoOther(t *testing.T) {
	fsys := fstest.MapFS{}
	for _, name := range []string{"one", "two", "three"} {
		for path, f := range skeleton(t, name) {
			fsys[path] = f
		}
	}
	edit(t, fsys, "two/source.yaml", "tlp: TLP:AMBER\n", "tlp: [\n")
	fsys["four/readme.txt"] = &fstest.MapFile{Data: []byte("no definition")}
	fsys["_draft/source.yaml"] = &fstest.MapFile{Data: []byte("{")}
	fsys["notes.txt"] = &fstest.MapFile{Data: []byte("a file")}
	all, problems := Load(fsys)
	if len(all) != 2 || all[0].Name() != "one" || all[1].Name() != "three" {
		t.Errorf("%d definitions", len(all))
	}
	if len(problems) != 2 || problems[0].File != "four/source.yaml" || problems[1].File != "two/source.yaml" {
		t.Errorf("%v", problems)
	}
}

func TestOwnSourcesReplaceShippedOnes(t *testing.T) {
	shipped, _ := Catalogue()
	fsys := skeleton(t, "virustotal")
	for path, f := range skeleton(t, "acme") {
		fsys[path] = f
	}
	all, problems := WithOwn(fsys)
	if len(problems) != 0 || len(all) != len(shipped)+1 {
		t.Fatalf("%d definitions, %v", len(all), problems)
	}
	for _, d := range all {
		if own := d.Name() == "virustotal" || d.Name() == "acme"; d.Own() != own {
			t.Errorf("%s: own %v", d.Name(), d.Own())
		}
	}
	// A broken one does not bring the shipped one back.
	edit(t, fsys, "virustotal/source.yaml", "tlp: TLP:AMBER\n", "")
	all, problems = WithOwn(fsys)
	if len(problems) != 1 || len(all) != len(shipped) {
		t.Errorf("%d definitions, %v", len(all), problems)
	}
	for _, d := range all {
		if d.Name() == "virustotal" {
			t.Error("the shipped source came back")
		}
	}
}

// One mistake is one line, and one that is made in each row is not a thousand.
func TestProblemsAreFew(t *testing.T) {
	fsys := skeleton(t, "acme")
	edit(t, fsys, "acme/source.yaml", `value: "{secrets.api_key}"`, `value: {secrets.api_key}`)
	if _, problems := Load(fsys); len(problems) != 1 || !strings.Contains(problems[0].Reason, "got object, want string (a text that begins with { must be in quotes)") {
		t.Errorf("%v", problems)
	}
	fsys = skeleton(t, "acme")
	edit(t, fsys, "acme/source.yaml", `{op: "label", value: .}`, `(range(3000) | {op: "label", value: {}})`)
	_, problems := Load(fsys)
	if n := len(problems); n != maxProblems || !strings.HasPrefix(problems[n-1].Reason, "and ") || problems[n-1].File != "acme/fixtures.yaml" {
		t.Errorf("%d problems: %.500v", len(problems), problems)
	}
}

// A link to a folder is one, and one that leads nowhere is told of.
func TestLinkedFolders(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	if err := os.CopyFS(elsewhere, skeleton(t, "acme")); err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{"acme": filepath.Join(elsewhere, "acme"), "gone": filepath.Join(elsewhere, "gone"), "file": filepath.Join(elsewhere, "acme", "source.yaml"), "..data": elsewhere} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	all, problems := Load(os.DirFS(dir))
	if len(all) != 1 || all[0].Name() != "acme" || len(problems) != 1 || problems[0].File != "gone/source.yaml" {
		t.Errorf("%d definitions, %v", len(all), problems)
	}
}

// Limits of the usual key may be of one kind of calls.
func TestQuotaOfABucket(t *testing.T) {
	fsys := skeleton(t, "acme")
	edit(t, fsys, "acme/source.yaml", "quota: 1000/day", "quota: report:100/day,1000/day")
	edit(t, fsys, "acme/source.yaml", "  - id: ip\n", "  - id: ip\n    bucket: report\n")
	if s := mustLoad(t, fsys).Settings(); s.Quota != "report:100/day,1000/day" || len(s.Buckets) != 1 {
		t.Errorf("%+v", s)
	}
}

// What YAML can do to a reader is bounded.
func TestLoadIsBounded(t *testing.T) {
	bomb := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for i, name := 0, 'b'; i < 8; i, name = i+1, name+1 {
		bomb += fmt.Sprintf("%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n", name, name, name-1, name-1, name-1, name-1, name-1, name-1, name-1, name-1, name-1)
	}
	for name, text := range map[string]string{
		"aliases": bomb, "deep": strings.Repeat("[", 20_000), "large": "source: " + strings.Repeat("a", maxFile), "binary": "\x00\xff",
		"documents": "source: a\n---\nsource: b\n", "list": "- a\n", "number keys": "1: 2\n", "empty": "", "tag": "!!python/object a\n",
	} {
		_, problems := Load(fstest.MapFS{"acme/source.yaml": {Data: []byte(text)}})
		if len(problems) == 0 {
			t.Errorf("%s is let through", name)
		}
		for _, p := range problems {
			if p.File != "acme/source.yaml" || len(p.Reason) > 300 {
				t.Errorf("%s: %.400v", name, p)
			}
		}
	}
}
