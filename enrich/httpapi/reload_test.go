package httpapi_test

import (
	"testing"

	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/enrich/httpapi"
)

// An admin has the settings read again, and is told what holds and what is wrong.
func TestConfigReload(t *testing.T) {
	var by []string
	var err error
	w := newWorld(t, options{change: func(c *httpapi.Config) {
		c.Reload = func(who string) (httpapi.Reloaded, error) {
			by = append(by, who)
			return httpapi.Reloaded{Taken: []string{"CONNECTOR_LOG_LEVEL"}, NeedsRestart: []string{}}, err
		}
	}})
	const path = "/api/v1/config/reload"
	w.want(200, `{"taken":["CONNECTOR_LOG_LEVEL"],"needs_restart":[]}`, "POST", path, adminToken, "")
	err = &enrich.InputError{Reason: "quota: not a limit"}
	w.want(400, "quota: not a limit", "POST", path, adminToken, "")
	w.want(403, "may not do that", "POST", path, readToken, "")
	w.want(405, "this path is for POST", "GET", path, adminToken, "")
	if len(by) != 2 || by[0] != "admin" {
		t.Errorf("read again for %q", by)
	}
	w = newWorld(t, options{})
	w.want(404, "cannot be read again", "POST", path, adminToken, "")
}
