package settings

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// testdata names the cases: working_* loads by itself, busted_* gives the report
// of its .txt.
func TestTestdata(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yml")
	if err != nil || len(files) < 10 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		t.Run(name, func(t *testing.T) {
			o := Options{Sources: specs(), Dir: "testdata", ConfigPath: name}
			if strings.HasPrefix(name, "working_") {
				load(t, o)
				return
			}
			o.Environ = minimal()
			_, err := Load(o)
			var p *Problems
			if !errors.As(err, &p) {
				t.Fatalf("got %v, want problems", err)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Error("a secret appears")
			}
			golden := strings.TrimSuffix(file, ".yml") + ".txt"
			compare(t, golden, err.Error()+"\n")
		})
	}
}

// compare holds text against a file, or writes it there with -update.
func compare(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; see -update. Got\n%s", file, got)
	}
}

func TestNativeValues(t *testing.T) {
	s := load(t, Options{Sources: specs(), Dir: "testdata", ConfigPath: "working_native.yml"})
	if s.OpenCTIToken != "0123456789" || et(s).Secrets["api_key"] != "0123456789" || s.OpenCTISSLVerify || s.OpenCTIJSONLogging ||
		!slices.Equal(s.Connectors[0].Scope, []string{"IPv4-Addr", "StixFile"}) || !s.Connectors[0].Auto || s.Connectors[0].ListenAPIPort != 7071 ||
		s.MQUseSSL == nil || !*s.MQUseSSL || et(s).QuotaText() != "200/minute,10000/month" || s.Workers != 4 || s.HTTPListen != "0.0.0.0:8080" {
		t.Errorf("got %+v", s)
	}
}

func TestOddFiles(t *testing.T) {
	for content, want := range map[string]string{
		"":                                  "",
		"# only a comment\n":                "",
		"---\n":                             "",
		"\xef\xbb\xbfmq: {port: 1}\n":       "",
		"\x00":                              "config.yml:1: not YAML: control characters are not allowed",
		strings.Repeat("x", maxOtherFile+1): "config.yml: cannot be read: larger than 1 MiB",
		strings.Repeat("[", 100_000):        "config.yml:1: not YAML: exceeded max depth of 10000",
	} {
		o := options(t, minimal()...)
		write(t, o, "config.yml", content)
		if want == "" {
			load(t, o)
		} else if got := lines(t, o); len(got) != 1 || got[0] != want {
			t.Errorf("%.20q: got %q", content, got)
		}
	}
}

// Read as an operator does: the samples name exactly the table's settings, ask
// only for what is required, and load once that is written.
func TestSamplesAsWritten(t *testing.T) {
	env, file := EnvSample(many()), YAMLSample(many())
	fill := strings.NewReplacer("CONNECTOR_ID=ChangeMe", "CONNECTOR_ID="+testID, "id: 'ChangeMe'", "id: '"+testID+"'", "ChangeMe", "written")

	var names, asked, live []string
	for _, m := range regexp.MustCompile(`(?m)^(# )?([A-Z0-9_]+)=(.*)$`).FindAllStringSubmatch(env, -1) {
		names = append(names, m[2])
		if m[1] == "" {
			asked = append(asked, m[2])
			live = append(live, fill.Replace(m[2]+"="+m[3]))
		}
	}
	var want, required, paths []string
	table, ask := sampled(many())
	for _, s := range table {
		want = append(want, s.Name)
		if ask[s.Name] {
			required = append(required, s.Name)
		}
		if s.YAML != "" {
			paths = append(paths, s.YAML)
		}
	}
	if !slices.Equal(names, want) {
		t.Errorf(".env.sample names %q", names)
	}
	if !slices.Equal(asked, required) {
		t.Errorf(".env.sample asks for %q", asked)
	}
	o := options(t, live...)
	o.Sources = many()
	load(t, o)

	var section string
	names = nil
	for l := range strings.SplitSeq(file, "\n") {
		if m := regexp.MustCompile(`^([a-z0-9_]+):$`).FindStringSubmatch(l); m != nil {
			section = m[1]
		} else if m := regexp.MustCompile(`^  (# )?([a-z0-9_]+): \S+.*$`).FindStringSubmatch(l); m != nil {
			names = append(names, section+"."+m[2])
		}
	}
	if !slices.Equal(names, paths) {
		t.Errorf("config.yml.sample names %q, want %q", names, paths)
	}
	o = options(t)
	o.Sources = many()
	write(t, o, "config.yml", file)
	if got := lines(t, o); len(got) != 3 {
		t.Errorf("the untouched sample: %q", got)
	}
	write(t, o, "config.yml", fill.Replace(file))
	load(t, o)
}

// OpenCTI's rules for samples.
func TestSamplesFollowHouseRules(t *testing.T) {
	for name, sample := range map[string]string{".env.sample": EnvSample(specs()), "config.yml.sample": YAMLSample(specs())} {
		for _, bad := range []string{`\b20\d\d-\d\d-\d\d`, `_INTERVAL\b`, `(?i)confidence_level`, `(?i)update_existing_data`, `CHANGEME`, `localhost:\d`} {
			if m := regexp.MustCompile(bad).FindString(sample); m != "" {
				t.Errorf("%s holds %q", name, m)
			}
		}
	}
	for _, line := range []string{"OPENCTI_URL=http://localhost", "OPENCTI_TOKEN=ChangeMe", "CONNECTOR_ID=ChangeMe"} {
		if !strings.Contains(EnvSample(specs()), "\n"+line+"\n") {
			t.Errorf("%s is missing", line)
		}
	}
}

// Every row is complete and consistent.
func TestTable(t *testing.T) {
	specs := many
	seen := map[string]bool{}
	for _, s := range Table(specs()) {
		for _, n := range []string{s.Name, s.YAML, s.Title} {
			if n != "" && seen[n] {
				t.Errorf("%s stands twice in the table", n)
			}
			seen[n] = true
		}
		if s.Title == "" || s.Group == "" || s.Kind == "" || !strings.HasSuffix(s.Help, ".") && !strings.HasSuffix(s.Help, ")") {
			t.Errorf("%s is not described: %+v", s.Name, s)
		}
		if s.Default == "" && s.DefaultNote == "" && !s.Required {
			t.Errorf("%s does not say what holds without it", s.Name)
		}
		if s.Secret && s.Default != "" || s.Kind == KindSecret && !s.Secret {
			t.Errorf("%s: a secret with a default, or not marked", s.Name)
		}
	}
	columns := 0
	for l := range strings.Lines(MarkdownTable(specs())) {
		n := strings.Count(strings.ReplaceAll(l, `\|`, ""), "|")
		if columns == 0 || n == 0 {
			columns = n
		}
		if n != columns {
			t.Errorf("%d bars in %s", n, l)
		}
	}
	// Examples of optional settings are values that load.
	for _, s := range Table(specs()) {
		if s.Example == "" || s.Kind == KindPEM || s.Kind == KindPath && s.Name != "ENRICHGATE_DATA_DIR" {
			continue
		}
		o := options(t, minimal(s.Name+"="+s.Example)...)
		if prefix, ok := strings.CutSuffix(s.Name, "QUOTA_INITIAL_USED"); ok {
			o.Environ = append(o.Environ, prefix+"QUOTA=10000/month")
		}
		o.Sources, o.Need = many(), NeedData
		load(t, o)
	}
}

// No configuration makes the loader panic, every report is one line a problem,
// and the token is never in it.
func FuzzLoad(f *testing.F) {
	files, err := filepath.Glob("testdata/*.yml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(b), "CONNECTOR_AUTO=true", uint8(0))
	}
	f.Add("connectors: [{id: "+testID+", source: virustotal}]\nvirustotal: {api_key: k, limits: [{limit: 1, per: day}], budgets: {clients: {a: 1/day}}}", "PAIR_USER=x", uint8(0))
	f.Add("a: &a {<<: *a}", "ENRICHGATE_X\n=1", uint8(1))
	f.Add("connector: &c {name: *c}", "PROOFPOINT_ET_=1", uint8(2))
	const planted = "planted-token-0123456789"
	o := options(f) // one directory: a worker runs one input at a time
	f.Fuzz(func(t *testing.T, file, line string, need uint8) {
		o.Sources = many()
		o.Environ = []string{"MQ_PASS=" + planted, "OPENCTI_URL=http://localhost", "OPENCTI_TOKEN=token", line}
		o.Need = Need(need % 3)
		write(t, o, "config.yml", file)
		s, err := Load(o)
		if err == nil {
			if len(s.Connectors) == 0 || len(s.Values()) < 40 {
				t.Fatalf("%d connectors, %d values", len(s.Connectors), len(s.Values()))
			}
			for _, c := range s.Connectors {
				if Need(need%3) == NeedRun && (c.ID == "" || c.Name == "" || len(c.Scope) == 0 || !s.Sources[c.Source].Enabled) {
					t.Fatalf("an unfinished connector: %+v", c)
				}
			}
			return
		}
		var p *Problems
		if !errors.As(err, &p) || len(p.List) == 0 {
			t.Fatalf("%T %v", err, err)
		}
		if strings.Count(err.Error(), "\n") != len(p.List)+1 || strings.ContainsAny(err.Error(), "\r\x00\x1b") {
			t.Fatalf("not one line a problem: %q", err.Error())
		}
		if strings.Contains(err.Error(), planted) && !strings.Contains(file+line, planted) {
			t.Fatalf("the token is in %q", err.Error())
		}
	})
}
