package source

import (
	"encoding/base64"
	"net/http"
	"slices"
)

// auth is one way in which a request says who pays.
type auth struct {
	in, name       string
	value          template
	user, password template
}

func (c *compiler) auth(b authBlock, path ...string) auth {
	a := auth{
		in: b.In, name: b.Name, value: c.template(b.Value, append(path, "value")...),
		user: c.template(b.User, append(path, "user")...), password: c.template(b.Password, append(path, "password")...),
	}
	if b.In == "header" {
		c.checkHeader(b.Name, append(path, "name")...)
	}
	if !slices.ContainsFunc(a.templates(), func(t template) bool { return len(t.holes) > 0 }) {
		c.fail(path, "this says the same for everybody: write {secrets.NAME} for a key, and put what is none into the request or under http.headers")
	}
	return a
}

// templates lists what the way is made of.
func (a auth) templates() []template { return []template{a.value, a.user, a.password} }

// apply authorizes a request. A way whose secrets are optional and not set is
// left out: the provider then treats the caller as anybody.
func (a auth) apply(req *http.Request, v values) {
	for _, t := range a.templates() {
		for _, name := range t.names("secrets") {
			if v.secrets(name) == "" {
				return
			}
		}
	}
	switch a.in {
	case "header":
		req.Header.Set(a.name, a.value.fill(v, plainText))
	case "bearer":
		req.Header.Set("Authorization", "Bearer "+a.value.fill(v, plainText))
	case "basic":
		pair := a.user.fill(v, plainText) + ":" + a.password.fill(v, plainText)
		req.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(pair)))
	case "query":
		query := req.URL.Query()
		query.Set(a.name, a.value.fill(v, plainText))
		req.URL.RawQuery = query.Encode()
	}
}
