package source

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/enrichgate/enrichgate/enrich/source/wire"
)

// request is a compiled request block.
type request struct {
	method  string
	path    template
	query   []pair
	headers []pair
	form    []pair
	json    any // leaves are templates; nil when there is no JSON body
}

// pair is a name with a template, of which lists are sorted by name.
type pair struct {
	name string
	text template
}

// compileRequest reads a request block; paths name where problems are.
func (c *compiler) request(b requestBlock, path ...string) request {
	r := request{method: b.Method, path: c.template(b.Path, append(path, "path")...)}
	r.query = c.pairs(b.Query, append(path, "query")...)
	r.headers = c.headers(b.Headers, append(path, "headers")...)
	r.form = c.pairs(b.Form, append(path, "form")...)
	r.json = c.leaves(b.JSON, append(path, "json")...)
	if r.method == "" {
		r.method = http.MethodGet
	}
	if r.method == http.MethodPost {
		if !lookupByPost(c.def.HTTP.BaseURL, b.Path) {
			c.fail(append(path, "method"), "POST to this address is not on the list of lookups (enrich/source/method.go): a definition cannot submit, upload or scan")
		}
	} else if b.JSON != nil || b.Form != nil {
		c.fail(append(path, "method"), "a %s has no body", r.method)
	}
	return r
}

// pairs compiles a map of templates.
func (c *compiler) pairs(m map[string]string, path ...string) (all []pair) {
	for _, name := range slices.Sorted(maps.Keys(m)) {
		all = append(all, pair{name, c.template(m[name], append(path, name)...)})
	}
	return all
}

// leaves compiles the texts in a JSON body.
func (c *compiler) leaves(v any, path ...string) any {
	switch v := v.(type) {
	case string:
		return c.template(v, path...)
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = c.leaves(e, append(path, fmt.Sprint(i))...)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for _, key := range slices.Sorted(maps.Keys(v)) {
			out[key] = c.leaves(v[key], append(path, key)...)
		}
		return out
	}
	return v
}

// params lists the parameters that the request depends on.
func (r request) params() (names []string) {
	for _, t := range r.templates() {
		for _, name := range t.names("params") {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// asks says that the request has holes of a group.
func (r request) asks(group string) bool {
	return slices.ContainsFunc(r.templates(), func(t template) bool { return len(t.names(group)) > 0 })
}

func (r request) templates() []template {
	all := []template{r.path}
	for _, list := range [][]pair{r.query, r.headers, r.form} {
		for _, p := range list {
			all = append(all, p.text)
		}
	}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case template:
			all = append(all, v)
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			for _, e := range v {
				walk(e)
			}
		}
	}
	walk(r.json)
	return all
}

// build makes the HTTP request, without what authorizes it.
func (r request) build(base string, v values) (*http.Request, error) {
	address, err := url.Parse(base + r.path.fill(v, url.PathEscape))
	if err != nil {
		return nil, fmt.Errorf("no address can be made for it")
	}
	for step := range strings.SplitSeq(address.EscapedPath(), "/") {
		if step == "." || step == ".." {
			return nil, fmt.Errorf("a value that is a step in a path is not sent")
		}
	}
	address.RawQuery = pairs(r.query, v).Encode()
	req, err := http.NewRequest(r.method, address.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("no request can be made for it")
	}
	for name, texts := range pairs(r.headers, v) {
		req.Header.Set(name, texts[0])
	}
	return req, r.addBody(req, v)
}

// pairs fills texts by name, but for those that nobody has set.
func pairs(all []pair, v values) url.Values {
	out := make(url.Values, len(all))
	for _, p := range all {
		if !p.text.isAbsent(v) {
			out.Set(p.name, p.text.fill(v, plainText))
		}
	}
	return out
}

func (r request) addBody(req *http.Request, v values) error {
	var body []byte
	switch {
	case r.json != nil:
		encoded, err := json.Marshal(filled(r.json, v))
		if err != nil {
			return err
		}
		body = encoded
		req.Header.Set("Content-Type", "application/json")
	case r.form != nil:
		body = []byte(pairs(r.form, v).Encode())
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	default:
		return nil
	}
	req.Body, req.ContentLength = wire.Payload(bytes.Clone(body)), int64(len(body))
	return nil
}

// filled is a JSON body with its templates filled.
func filled(v any, with values) any {
	switch v := v.(type) {
	case template:
		if v.isValues() {
			return with.values // a list of its own
		}
		return v.fill(with, plainText)
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = filled(e, with)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, e := range v {
			if t, is := e.(template); !is || !t.isAbsent(with) {
				out[key] = filled(e, with)
			}
		}
		return out
	}
	return v
}
