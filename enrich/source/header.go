package source

import (
	"net/http"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// engineHeaders are written by the engine or the HTTP client, which take no
// notice of what a definition says of them.
const engineHeaders = ` Host Content-Length Transfer-Encoding Trailer Connection Keep-Alive Proxy-Connection Upgrade Te Accept-Encoding `

// checkHeader refuses the name of a header that would not be sent.
func (c *compiler) checkHeader(name string, path ...string) {
	switch {
	case !httpguts.ValidHeaderFieldName(name):
		c.fail(path, "%q cannot be the name of a header: letters, digits and -", name)
	case strings.Contains(engineHeaders, " "+http.CanonicalHeaderKey(name)+" "):
		c.fail(path, "the header %s is not a definition's to set", name)
	}
}

// headers compiles the headers of a request, or of all.
func (c *compiler) headers(m map[string]string, path ...string) []pair {
	all := c.pairs(m, path...)
	for _, p := range all {
		at := append(slices.Clone(path), p.name)
		c.checkHeader(p.name, at...)
		for _, literal := range p.text.literals {
			if !httpguts.ValidHeaderFieldValue(literal) {
				c.fail(at, "the header %s holds what cannot be sent in one", p.name)
			}
		}
	}
	return all
}
