package source

import (
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"

	"github.com/enrichgate/enrichgate/enrich"
)

// fixtures is fixtures.yaml: the answers that a definition was written for.
type fixtures struct {
	Fixtures []fixture `yaml:"fixtures"`
	// Batches are answers about several values.
	Batches []batchFixture `yaml:"batches"`
	// Report is the answer to usage.request.
	Report *reportFixture `yaml:"report"`
	// Without says, by class, why there is no fixture of it.
	Without map[string]string `yaml:"without"`
}

// fixture is one answer and what it means.
type fixture struct {
	Name string `yaml:"name"`
	// Lookup by id; empty for the first.
	Lookup string `yaml:"lookup"`
	// Type and Value of the entity that was asked about.
	Type  string `yaml:"type"`
	Value string `yaml:"value"`
	// Params differ from their defaults.
	Params map[string]any `yaml:"params"`
	// Request as "GET /path?query", without what authorizes it; empty when it
	// does not matter.
	Request string            `yaml:"request"`
	Status  int               `yaml:"status"`
	Headers map[string]string `yaml:"headers"`
	// Body names the file in fixtures/; empty for an empty body.
	Body  string `yaml:"body"`
	Class string `yaml:"class"`
	// Charged is what is known of the price: "yes", "no" or "unknown".
	Charged string `yaml:"charged"`
	// Basis is how status and class are known: "documented", "client_code" or "inferred".
	Basis string `yaml:"basis"`
	Note  string `yaml:"note"`
	// Usage is the count that the answer shows.
	Usage []usageFixture `yaml:"usage"`
	// Skipped is how many intents the mapping is to lose; normally none.
	Skipped int `yaml:"skipped"`

	body []byte
}

// reportFixture is what the provider says when it is asked for its count.
type reportFixture struct {
	Request string            `yaml:"request"`
	Status  int               `yaml:"status"`
	Headers map[string]string `yaml:"headers"`
	Body    string            `yaml:"body"`
	Usage   []usageFixture    `yaml:"usage"`

	body []byte
}

// batchFixture is one answer about several values, and what it means of each.
type batchFixture struct {
	Name    string            `yaml:"name"`
	Lookup  string            `yaml:"lookup"`
	Values  []string          `yaml:"values"`
	Params  map[string]any    `yaml:"params"`
	Request string            `yaml:"request"`
	Status  int               `yaml:"status"`
	Headers map[string]string `yaml:"headers"`
	Body    string            `yaml:"body"`
	// Classes in the order of the values; "alone" for one that has to be asked
	// about alone.
	Classes []string `yaml:"classes"`
	Basis   string   `yaml:"basis"`

	body []byte
}

// alone is a batch's word for an answer that is none.
const alone = "alone"

// usageFixture is one window's count; -1 stands for what is not said.
type usageFixture struct {
	Window string `yaml:"window"`
	Limit  int64  `yaml:"limit"`
	Used   int64  `yaml:"used"`
}

// wantedClasses are those that every definition shows what it makes of.
func wantedClasses() []enrich.Class {
	return []enrich.Class{enrich.Found, enrich.NotFound, enrich.RateLimited, enrich.QuotaExhausted, enrich.AuthFailed}
}

// loadFixtures reads the fixtures beside a definition.
func loadFixtures(fsys fs.FS, dir string) (fixtures, *document, []Problem) {
	var f fixtures
	doc, problems := readYAML(fsys, path.Join(dir, "fixtures.yaml"), fixturesSchema, &f)
	if len(problems) > 0 {
		return f, doc, problems
	}
	for i := range f.Fixtures {
		x := &f.Fixtures[i]
		if x.Body == "" {
			continue
		}
		body, err := fs.ReadFile(fsys, path.Join(dir, "fixtures", x.Body))
		if err != nil {
			problems = append(problems, doc.problem([]string{"fixtures", fmt.Sprint(i), "body"}, "fixtures/%s cannot be read", x.Body))
		}
		x.body = body
	}
	for i := range f.Batches {
		x := &f.Batches[i]
		body, err := fs.ReadFile(fsys, path.Join(dir, "fixtures", x.Body))
		if err != nil {
			problems = append(problems, doc.problem([]string{"batches", fmt.Sprint(i), "body"}, "fixtures/%s cannot be read", x.Body))
		}
		x.body = body
	}
	if f.Report != nil {
		body, err := fs.ReadFile(fsys, path.Join(dir, "fixtures", f.Report.Body))
		if err != nil {
			problems = append(problems, doc.problem([]string{"report", "body"}, "fixtures/%s cannot be read", f.Report.Body))
		}
		f.Report.body = body
	}
	return f, doc, problems
}

func (x *fixture) header() http.Header { return headerOf(x.Headers) }

func headerOf(fields map[string]string) http.Header {
	h := http.Header{}
	for name, value := range fields {
		h.Set(name, value)
	}
	return h
}

// entity is what was asked about.
func (x *fixture) entity() (enrich.Entity, error) {
	kind := x.Type
	if strings.EqualFold(kind, "artifact") {
		kind = "StixFile"
	}
	return enrich.NewEntity(kind, x.Value)
}
