package settings

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/enrichgate/enrichgate/quota"
)

const (
	idA = "11111111-47ab-4ff2-ae63-e5a7c6e5c720"
	idB = "22222222-47ab-4ff2-ae63-e5a7c6e5c720"
)

// several are options with many sources and a config.yml.
func several(t testing.TB, file string, env ...string) Options {
	o := options(t, append([]string{"OPENCTI_URL=http://localhost", "OPENCTI_TOKEN=token"}, env...)...)
	o.Sources = many()
	if file != "" {
		write(t, o, "config.yml", file)
	}
	return o
}

func TestOneConnectorForTheOneEnabledSource(t *testing.T) {
	s := load(t, several(t, "", "CONNECTOR_ID="+idA, "VIRUSTOTAL_TOKEN=key", "CONNECTOR_AUTO=true"))
	c := s.Connectors[0]
	if len(s.Connectors) != 1 || c.ID != idA || c.Source != "virustotal" || c.Name != "VirusTotal" || !slices.Equal(c.Scope, []string{"IPv4-Addr", "Url"}) {
		t.Errorf("got %+v", c)
	}
	vt := s.Sources["virustotal"]
	if !vt.Enabled || vt.Secrets["api_key"] != "key" || vt.Reserve[quota.Auto] != 10 || vt.QuotaText() != "4/minute,500/day" {
		t.Errorf("got %+v", vt)
	}
	if et(s).Enabled || et(s).Reserve[quota.Auto] != 100 || len(s.Enabled()) != 1 {
		t.Error("a source without its key is enabled")
	}
	for _, v := range s.Values() {
		if strings.HasPrefix(v.Name, "PROOFPOINT_") || strings.HasPrefix(v.Name, "PAIR_") {
			t.Errorf("%s is listed although its source is off", v.Name)
		}
		if v.Name == "CONNECTOR_NAME" && (v.Value != "VirusTotal" || v.Origin != "default") {
			t.Errorf("got %+v", v)
		}
	}
	if !slices.Contains(s.Notices, "VIRUSTOTAL_TOKEN is read as VIRUSTOTAL_API_KEY") {
		t.Errorf("got %q", s.Notices)
	}
}

func TestConnectorSource(t *testing.T) {
	keys := []string{"CONNECTOR_ID=" + idA, "VIRUSTOTAL_API_KEY=key", "PROOFPOINT_ET_INTELLIGENCE_API_KEY=key"}
	for _, tc := range []struct{ env, source, problem string }{
		{"CONNECTOR_SOURCE=virustotal", "virustotal", ""},
		{"CONNECTOR_SOURCE=open_data", "open_data", ""}, // needs no key: naming it is enough
		{"X=", "", "CONNECTOR_SOURCE: several sources are set (proofpoint_et_intelligence, virustotal); name this connector's, or list several under connectors: in config.yml"},
		{"CONNECTOR_SOURCE=virus_total", "", `CONNECTOR_SOURCE="virus_total": there is no such source; did you mean virustotal?`},
		{"CONNECTOR_SOURCE=pair", "", `CONNECTOR_SOURCE="pair": pair has no key; write PAIR_USER`},
		{"VIRUSTOTAL_ENABLED=false", "proofpoint_et_intelligence", ""},
		{"PAIR_USER=u", "", "PAIR_PASS: required (or PAIR_PASS_FILE, or pair.pass in config.yml)"},
		{"PAIR_ENABLED=true", "", "PAIR_USER: required (or PAIR_USER_FILE, or pair.user in config.yml)"},
	} {
		o := several(t, "", append(keys, tc.env)...)
		if tc.problem == "" {
			if s := load(t, o); s.Connectors[0].Source != tc.source || !s.Sources[tc.source].Enabled {
				t.Errorf("%s: got %+v", tc.env, s.Connectors[0])
			}
		} else if got := lines(t, o); !slices.Contains(got, tc.problem) {
			t.Errorf("%s: got %q", tc.env, got)
		}
	}
	got := lines(t, several(t, "", "CONNECTOR_ID="+idA))
	if want := "PROOFPOINT_ET_INTELLIGENCE_API_KEY: required, or the key of another source (the README lists them); one without a key is named by CONNECTOR_SOURCE"; !slices.Equal(got, []string{want}) {
		t.Errorf("got %q", got)
	}
	if got := lines(t, several(t, "", keys[0], keys[1], "CONNECTOR_MAX_TLP=x")); len(got) != 1 {
		t.Errorf("one mistake is reported for each source: %q", got)
	}
}

func TestListOfConnectors(t *testing.T) {
	s := load(t, several(t, `
connector: {auto: true, listen_protocol: AMQP}
connectors:
  - {id: `+idA+`, source: virustotal, auto: no, max_tlp: green, scope: [Url]}
  - id: `+idB+`
    source: open_data
    name: Second
    enrichment_resolution: stix_bundle
`, "VIRUSTOTAL_API_KEY=key"))
	want := fmt.Sprintf("%+v", []Connector{
		{ID: idA, Name: "VirusTotal", Scope: []string{"Url"}, Source: "virustotal", EnrichmentResolution: "none", MaxTLP: "TLP:GREEN",
			ListenAPIPort: 7070, ListenAPIPath: "/api/callback/" + idA, ListenAPIURI: "http://127.0.0.1:7070"},
		{ID: idB, Name: "Second", Scope: []string{"IPv4-Addr"}, Source: "open_data", Auto: true, EnrichmentResolution: "stix_bundle",
			ListenAPIPort: 7070, ListenAPIPath: "/api/callback/" + idB, ListenAPIURI: "http://127.0.0.1:7070"},
	})
	if got := fmt.Sprintf("%+v", s.Connectors); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if s.Sources["virustotal"].Reserve[quota.Auto] != 100 || s.Sources["open_data"].Reserve[quota.Auto] != 10 || s.LogName() != "enrichgate" {
		t.Error("what automatic enrichment may spend does not follow its source's connectors")
	}
	if !slices.Contains(s.Values(), Value{YAML: "connectors[1].name", Value: "Second", Origin: "config.yml:7"}) {
		t.Errorf("got %+v", s.Values())
	}
}

func TestListOfConnectorsProblems(t *testing.T) {
	const first = "connectors:\n  - {id: " + idA + ", source: virustotal, listen_protocol_api_port: 7000}\n"
	for _, tc := range []struct{ file, want string }{
		{"connectors: []\n", "connectors (config.yml:1): names no connector; write a list, each entry with id and source"},
		{"connectors: virustotal\n", "connectors (config.yml:1): names no connector; write a list, each entry with id and source"},
		{first + "  - virustotal\n", "connectors[1] (config.yml:3): not a mapping; write id and source below it, indented"},
		{first + "  - source: virustotal\n    name: Other\n", "connectors[1].id (config.yml:3): required; make a UUID with uuidgen and keep it"},
		{first + "  - {id: ChangeMe, source: virustotal, name: Other}\n", `connectors[1].id="ChangeMe" (config.yml:3): still the placeholder of the sample; write your own value`},
		{first + "  - {id: 17, source: virustotal, name: Other}\n", `connectors[1].id="17" (config.yml:3): not a UUID; make one with uuidgen and keep it`},
		{first + "  - {id: " + idA + ", source: virustotal, name: Other}\n", "connectors[1].id (config.yml:3): the same as that of connectors[0]"},
		{first + "  - {id: " + idB + ", source: virustotal}\n", "connectors[1].name (config.yml:3): the same as that of connectors[0]; give each its own"},
		{first + "  - {id: " + idB + ", source: nobody, name: Other}\n", `connectors[1].source="nobody" (config.yml:3): there is no such source`},
		{first + "  - {id: " + idB + ", source: pair, name: Other}\n", "connectors[1].source (config.yml:3): pair has no key; write PAIR_USER"},
		{first + "  - {id: " + idB + ", name: Other, sorce: virustotal, source: virustotal}\n", "connectors[1].sorce (config.yml:3): unknown; did you mean source?"},
		{first + "  - {id: " + idB + ", name: Other, id: " + idA + ", source: virustotal}\n", "connectors[1].id (config.yml:3): given twice, first in line 3"},
		{first + "  - {id: " + idB + ", name: [a, b], source: open_data}\n", "connectors[1].name (config.yml:3): one value is wanted, not a list"},
		{first + "  - {id: " + idB + ", source: open_data, max_tlp: TLP:PINK}\n", `connectors[1].max_tlp="TLP:PINK" (config.yml:3): not a TLP; write TLP:CLEAR, TLP:GREEN, TLP:AMBER, TLP:AMBER+STRICT or TLP:RED`},
		{"connector: {listen_protocol: API}\nconnectors:\n  - {id: " + idA + ", source: virustotal, listen_protocol_api_path: /x}\n  - {id: " + idB + ", source: open_data, listen_protocol_api_path: /x}\n",
			"connectors[1].listen_protocol_api_path (config.yml:4): the same, at the same port, as that of connectors[0]"},
		{first + "connector: {id: " + idB + "}\n", `connector.id="` + idB + `" (config.yml:3): given together with connectors: of config.yml; write it there`},
	} {
		if got := lines(t, several(t, tc.file, "VIRUSTOTAL_API_KEY=key")); len(got) != 1 || got[0] != tc.want {
			t.Errorf("%s\ngot  %q\nwant %q", tc.file, got, tc.want)
		}
	}
	got := lines(t, several(t, "connectors:\n  - {id: "+idA+"}\n", "VIRUSTOTAL_API_KEY=key", "PROOFPOINT_ET_INTELLIGENCE_API_KEY=key"))
	if want := "connectors[0].source (config.yml:2): several sources are set (proofpoint_et_intelligence, virustotal); name this connector's"; !slices.Equal(got, []string{want}) {
		t.Errorf("got %q", got)
	}
}

func TestSourceSettings(t *testing.T) {
	s := load(t, several(t, `
virustotal:
  api_key: key
  threshold: 5
  relations: off
  mode: FULL
  skip: [One, Two]
  cost_url: 3
  endpoints: url
  cache_ttl_url: PT1H
  quota: [4/minute, 15/day, 500/month]
  quota_timezone: Europe/Berlin
  quota_reset_day: 12
  quota_reset_hour: 3
  quota_reserve_playbook: 0
  quota_auto: yes
`, "CONNECTOR_ID="+idA))
	vt := s.Sources["virustotal"]
	for name, want := range map[string]string{"threshold": "5", "relations": "false", "mode": "full", "skip": "One,Two", "label": ""} {
		if vt.Params[name] != want {
			t.Errorf("%s = %q, want %q", name, vt.Params[name], want)
		}
	}
	if vt.Endpoints["url"].Units != 3 || vt.Endpoints["url"].TTL != time.Hour || vt.Endpoints["url"].Off || !vt.Endpoints["ip"].Off || vt.Endpoints["ip"].Units != 1 {
		t.Errorf("got %+v %+v", vt.Endpoints["ip"], vt.Endpoints["url"])
	}
	minute, day, month := vt.Limits[0], vt.Limits[1], vt.Limits[2]
	if minute.Zone != nil || day.Zone.String() != "Europe/Berlin" || day.ResetHour != 3 || day.ResetDay != 0 || month.ResetDay != 12 || month.ResetHour != 3 {
		t.Errorf("got %+v", vt.Limits)
	}
	if vt.Reserve[quota.Playbook] != 0 || vt.Reserve[quota.API] != 20 || vt.Reserve[quota.Auto] != 0 {
		t.Errorf("got %v", vt.Reserve)
	}
	for env, want := range map[string]string{
		"VIRUSTOTAL_ENDPOINTS=ip,mail":           `VIRUSTOTAL_ENDPOINTS="ip,mail": there is no "mail"; write some of ip, url`,
		"VIRUSTOTAL_THRESHOLD=91":                `VIRUSTOTAL_THRESHOLD="91": not a whole number from 0 to 90`,
		"VIRUSTOTAL_MODE=long":                   `VIRUSTOTAL_MODE="long": write brief or full`,
		"VIRUSTOTAL_QUOTA_TIMEZONE=Mars/Olympus": `VIRUSTOTAL_QUOTA_TIMEZONE="Mars/Olympus": not a time zone; write for example UTC or Europe/Berlin`,
		"VIRUSTOTAL_QUOTA_RESET_DAY=31":          `VIRUSTOTAL_QUOTA_RESET_DAY="31": not a whole number from 1 to 28`,
		"VIRUSTOTAL_QUOTA_RESERVE_API=101":       `VIRUSTOTAL_QUOTA_RESERVE_API="101": not a whole number from 0 to 100 (percent)`,
		"VIRUSTOTAL_COST_IP=-1":                  `VIRUSTOTAL_COST_IP="-1": not a whole number from 0 to 1000000`,
		"VIRUSTOTAL_TRESHOLD=1":                  "VIRUSTOTAL_TRESHOLD: unknown; did you mean VIRUSTOTAL_THRESHOLD?",
	} {
		if got := lines(t, several(t, "", "VIRUSTOTAL_API_KEY=key", "CONNECTOR_ID="+idA, env)); !slices.Equal(got, []string{want}) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
}

func TestLimitsAsAList(t *testing.T) {
	s := load(t, several(t, `
virustotal:
  quota_timezone: Asia/Tokyo
  limits:
    - {limit: 4, per: minute}
    - {limit: 500, per: day, rolling: true}
    - {limit: 2000, per: week, reset_weekday: Wednesday}
    - {limit: 10000, per: month, timezone: Europe/Berlin, reset_day: 12, reset_hour: 6}
`, "CONNECTOR_ID="+idA, "VIRUSTOTAL_API_KEY=key"))
	l := s.Sources["virustotal"].Limits
	if len(l) != 4 || !l[0].Rolling || !l[1].Rolling || l[2].ResetWeekday != time.Wednesday || l[2].Zone.String() != "Asia/Tokyo" ||
		l[3].Zone.String() != "Europe/Berlin" || l[3].ResetDay != 12 || l[3].ResetHour != 6 || l[3].Rolling {
		t.Errorf("got %+v", l)
	}
	for list, want := range map[string]string{
		"500":                                   "virustotal.limits (config.yml:1): not a list; write entries such as - {limit: 1000, per: day}",
		"[500/day]":                             "virustotal.limits[0] (config.yml:1): not a mapping; write for example {limit: 1000, per: day}",
		"[{limit: 5}]":                          `virustotal.limits[0] (config.yml:1): per: "" is not a period; use second, minute, hour, day, week or month`,
		"[{limit: none, per: day}]":             `virustotal.limits[0] (config.yml:1): limit: "none" is not a whole number`,
		"[{per: day}]":                          "virustotal.limits[0] (config.yml:1): 0/day: a limit is between 1 and 1125899906842624 units",
		"[{limit: 5, per: day, reset: 1}]":      "virustotal.limits[0] (config.yml:1): reset: unknown; there is limit, per, bucket, rolling, timezone, reset_hour, reset_day, reset_weekday",
		"[{limit: 5, per: day, reset_hour: x}]": `virustotal.limits[0] (config.yml:1): reset_hour: "x" is not a whole number`,
		"[{limit: 5, per: week, reset_weekday: 1}]":    `virustotal.limits[0] (config.yml:1): reset_weekday: "1" is not a day of the week; write for example monday`,
		"[{limit: 5, per: day}, {limit: 6, per: day}]": "virustotal.limits[1] (config.yml:1): limits the same period as virustotal.limits[0]; keep one",
	} {
		got := lines(t, several(t, "virustotal: {api_key: key, limits: "+list+"}\n", "CONNECTOR_ID="+idA))
		if !slices.Equal(got, []string{want}) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
	got := lines(t, several(t, "virustotal: {api_key: key, quota: 5/day, limits: [{limit: 5, per: day}]}\n", "CONNECTOR_ID="+idA))
	if want := `virustotal.quota="5/day" (config.yml:1): given together with virustotal.limits of config.yml; keep one`; !slices.Equal(got, []string{want}) {
		t.Errorf("got %q", got)
	}
}

// CONNECTOR_MAX_TLP opens the source of its connector, and no other.
func TestConnectorsMaxTLP(t *testing.T) {
	keys := []string{"CONNECTOR_ID=" + idA, "VIRUSTOTAL_API_KEY=key", "PROOFPOINT_ET_INTELLIGENCE_API_KEY=key", "CONNECTOR_SOURCE=virustotal"}
	for given, want := range map[string][2]string{ // of virustotal, and of the other
		"TLP:RED":   {"TLP:RED", "TLP:AMBER+STRICT"},
		"TLP:GREEN": {"TLP:GREEN", "TLP:GREEN"},
	} {
		s := load(t, several(t, "", append(keys, "CONNECTOR_MAX_TLP="+given)...))
		if got := [2]string{s.Sources["virustotal"].MaxTLP, et(s).MaxTLP}; got != want {
			t.Errorf("%s: got %q, want %q", given, got, want)
		}
	}
	list := "connectors: [{id: " + idA + ", source: virustotal}]\n"
	s := load(t, several(t, list, "VIRUSTOTAL_API_KEY=key", "CONNECTOR_MAX_TLP=TLP:RED"))
	if got := s.Sources["virustotal"].MaxTLP; got != "TLP:AMBER+STRICT" {
		t.Errorf("a list: got %s", got)
	}
}

// What a source never looks up is not registered; when nothing is left, that is
// a problem. Indicators stay, and files under either name.
func TestScopeFitsTheSource(t *testing.T) {
	for given, want := range map[string]string{
		"IPv4-Addr,Phone-Number": "IPv4-Addr", "ipv4-addr,Indicator": "ipv4-addr,Indicator", "file,Url": "file", "indicator": "indicator",
	} {
		s := load(t, options(t, minimal("CONNECTOR_SCOPE="+given)...))
		left := len(s.Connectors[0].Scope) < strings.Count(given, ",")+1
		warned := slices.ContainsFunc(s.Warnings, func(w string) bool { return strings.HasPrefix(w, "CONNECTOR_SCOPE: ") })
		if got := strings.Join(s.Connectors[0].Scope, ","); got != want || warned != left {
			t.Errorf("%s: got %s, warnings %q", given, got, s.Warnings)
		}
	}
	got := lines(t, options(t, minimal("CONNECTOR_SCOPE=Banana,Url")...))
	if want := `CONNECTOR_SCOPE="Banana,Url": nothing that proofpoint_et_intelligence looks up; it takes IPv4-Addr, Domain-Name, StixFile`; !slices.Equal(got, []string{want}) {
		t.Errorf("got %q", got)
	}
	o := options(t, "OPENCTI_URL=http://localhost", "OPENCTI_TOKEN=a-secret-0123456789", "PROOFPOINT_ET_INTELLIGENCE_API_KEY=a-key-0123456789abcdef")
	write(t, o, "config.yml", "connectors: [{id: b5d1e2f0-6c1a-4a0b-9d3e-7f2a1c0e9b11, scope: [Url]}]\n")
	if got := lines(t, o); len(got) != 1 || !strings.HasPrefix(got[0], "connectors[0].scope (config.yml:1): nothing that ") {
		t.Errorf("got %q", got)
	}
}
