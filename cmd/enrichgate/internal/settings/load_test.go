package settings

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write golden files and samples")

const testID = "f2de8084-47ab-4ff2-ae63-e5a7c6e5c720"

// minimal is the least environment that a run needs.
func minimal(more ...string) []string {
	return append([]string{
		"PATH=/bin",
		"OPENCTI_URL=http://localhost",
		"OPENCTI_TOKEN=flgrn_octi_tkn_0123456789",
		"CONNECTOR_ID=" + testID,
		"PROOFPOINT_ET_INTELLIGENCE_API_KEY=et-key-0123456789",
	}, more...)
}

// options are for a directory without any configuration of the machine's.
func options(t testing.TB, env ...string) Options {
	dir := t.TempDir()
	return Options{Sources: specs(), Environ: env, Dir: dir, systemConfig: filepath.Join(dir, "etc", "config.yml")}
}

// write puts a file into the options' directory and returns its path.
func write(t testing.TB, o Options, name, content string) string {
	t.Helper()
	path := filepath.Join(o.Dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// load must work.
func load(t testing.TB, o Options) Settings {
	t.Helper()
	s, err := Load(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// lines are the problems of a load that must fail.
func lines(t testing.TB, o Options) []string {
	t.Helper()
	_, err := Load(o)
	var p *Problems
	if !errors.As(err, &p) {
		t.Fatalf("got %v, want problems", err)
	}
	var out []string
	for _, one := range p.List {
		out = append(out, one.String())
	}
	return out
}

func TestDefaults(t *testing.T) {
	o := options(t, minimal()...)
	s := load(t, o)
	for what, ok := range map[string]bool{
		"url":     s.OpenCTIURL == "http://localhost",
		"name":    s.Connectors[0].Name == "Proofpoint ET Intelligence",
		"type":    s.ConnectorType == "INTERNAL_ENRICHMENT",
		"scope":   slices.Equal(s.Connectors[0].Scope, []string{"IPv4-Addr", "Domain-Name", "StixFile"}),
		"auto":    !s.Connectors[0].Auto,
		"verify":  s.OpenCTISSLVerify && s.MQUseSSLRejectUnauthorized && s.OpenCTIJSONLogging,
		"base":    et(s).BaseURL == "https://api.emergingthreats.net/v1/",
		"tlp":     et(s).MaxTLP == "TLP:AMBER+STRICT" && et(s).UnmarkedTLP == "TLP:CLEAR",
		"window":  et(s).Duration("import_last_seen_time_window") == 30*day,
		"quota":   et(s).QuotaText() == "200/minute",
		"cache":   et(s).CacheTTL == 0 && et(s).CacheStale == 7*day,
		"timeout": et(s).Timeout == 20*time.Second && s.ShutdownTimeout == 30*time.Second,
		"private": et(s).SkipPrivate,
		"data":    s.DataDir == filepath.Join(o.Dir, "data"),
		"listen":  s.HTTPListen == "127.0.0.1:8080",
		"workers": s.Workers == 64,
		"loops":   s.LoopLimit == 10 && s.LoopWindow == 10*time.Minute,
		"mq":      s.MQHost == "" && s.MQPort == 0 && s.MQUseSSL == nil && s.MQHeartbeat == 10*time.Second,
		"api":     s.ListenProtocol == "AMQP" && s.QueueProtocol == "amqp" && s.Connectors[0].ListenAPIURI == "http://127.0.0.1:7070",
		"level":   s.LogLevel.String() == "ERROR",
		"quiet":   len(s.Warnings) == 0 && len(s.Notices) == 0,
		"values":  len(s.Values()) == len(Table(specs())),
	} {
		if !ok {
			t.Errorf("wrong default: %s in %+v", what, s)
		}
	}
}

// The environment of the public connector, as its .env.sample has it, loads
// unchanged once its placeholders are filled in; until then each is named.
func TestPublicConnectorEnvironment(t *testing.T) {
	env := func(token, id, key string) []string {
		return []string{
			"OPENCTI_URL=http://localhost", "OPENCTI_TOKEN=" + token, "CONNECTOR_ID=" + id,
			"CONNECTOR_NAME=ProofPoint ET Intelligence", "CONNECTOR_SCOPE=IPv4-Addr,Domain-Name,StixFile",
			"CONNECTOR_LOG_LEVEL=error", "CONNECTOR_AUTO=true",
			"PROOFPOINT_ET_INTELLIGENCE_API_BASE_URL=https://api.emergingthreats.net/v1/",
			"PROOFPOINT_ET_INTELLIGENCE_API_KEY=" + key,
			"PROOFPOINT_ET_INTELLIGENCE_MAX_TLP=TLP:AMBER+STRICT",
			"PROOFPOINT_ET_INTELLIGENCE_IMPORT_LAST_SEEN_TIME_WINDOW=P30D",
		}
	}
	s := load(t, options(t, env("token", testID, "key")...))
	if s.Connectors[0].Name != "ProofPoint ET Intelligence" || !s.Connectors[0].Auto || et(s).Secrets["api_key"].Reveal() != "key" {
		t.Errorf("got %+v", s)
	}
	got := lines(t, options(t, env("ChangeMe", "ChangeMe", "CHANGEME")...))
	want := []string{
		"OPENCTI_TOKEN: still the placeholder of the sample; write your own value",
		`CONNECTOR_ID="ChangeMe": still the placeholder of the sample; write your own value`,
		"PROOFPOINT_ET_INTELLIGENCE_API_KEY: still the placeholder of the sample; write your own value",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestEnvironmentValues(t *testing.T) {
	for _, tc := range []struct {
		env  string
		get  func(Settings) any
		want any
	}{
		{"CONNECTOR_AUTO=YES", func(s Settings) any { return s.Connectors[0].Auto }, true},
		{"CONNECTOR_AUTO=On", func(s Settings) any { return s.Connectors[0].Auto }, true},
		{"OPENCTI_JSON_LOGGING=0", func(s Settings) any { return s.OpenCTIJSONLogging }, false},
		{"OPENCTI_SSL_VERIFY=False", func(s Settings) any { return s.OpenCTISSLVerify }, false},
		{"OPENCTI_URL=https://cti.example.com:8443/base//", func(s Settings) any { return s.OpenCTIURL }, "https://cti.example.com:8443/base"},
		{"PROOFPOINT_ET_INTELLIGENCE_API_BASE_URL=http://[::1]:9/v1", func(s Settings) any { return et(s).BaseURL }, "http://[::1]:9/v1/"},
		{"CONNECTOR_SCOPE= IPv4-Addr, ,StixFile,ipv4-addr ,", func(s Settings) any { return strings.Join(s.Connectors[0].Scope, "|") }, "IPv4-Addr|StixFile"},
		{"CONNECTOR_LOG_LEVEL=Warning", func(s Settings) any { return s.LogLevel.String() }, "WARN"},
		{"CONNECTOR_LOG_LEVEL=critical", func(s Settings) any { return s.LogLevel.String() }, "ERROR+4"},
		{"CONNECTOR_LISTEN_PROTOCOL=api", func(s Settings) any { return s.ListenProtocol }, "API"},
		{"CONNECTOR_QUEUE_PROTOCOL=API", func(s Settings) any { return s.QueueProtocol }, "api"},
		{"QUEUE_PROTOCOL=api", func(s Settings) any { return s.QueueProtocol }, "api"},
		{"CONNECTOR_LISTEN_PROTOCOL_API_PORT=9000", func(s Settings) any { return s.Connectors[0].ListenAPIURI }, "http://127.0.0.1:9000"},
		{"MQ_USE_SSL=no", func(s Settings) any { return *s.MQUseSSL }, false},
		{"MQ_PASS= with spaces ", func(s Settings) any { return s.MQPass.Reveal() }, " with spaces "},
		{"PROOFPOINT_ET_INTELLIGENCE_MAX_TLP=amber+strict", func(s Settings) any { return et(s).MaxTLP }, "TLP:AMBER+STRICT"},
		{"PROOFPOINT_ET_INTELLIGENCE_MAX_TLP=TLP:WHITE", func(s Settings) any { return et(s).MaxTLP }, "TLP:CLEAR"},
		{"CONNECTOR_MAX_TLP=TLP:GREEN", func(s Settings) any { return et(s).MaxTLP }, "TLP:GREEN"},
		{"PROOFPOINT_ET_INTELLIGENCE_CACHE_TTL=24h", func(s Settings) any { return et(s).CacheTTL }, 24 * time.Hour},
		{"PROOFPOINT_ET_INTELLIGENCE_CACHE_STALE=0", func(s Settings) any { return et(s).CacheStale }, time.Duration(0)},
		{"PROOFPOINT_ET_INTELLIGENCE_QUOTA= None ", func(s Settings) any { return et(s).QuotaText() }, "none"},
		{"PROOFPOINT_ET_INTELLIGENCE_QUOTA=", func(s Settings) any { return et(s).QuotaText() }, "200/minute"},
		{"ENRICHGATE_HTTP_LISTEN=OFF", func(s Settings) any { return s.HTTPListen }, ""},
		{"ENRICHGATE_HTTP_LISTEN=[::1]:0", func(s Settings) any { return s.HTTPListen }, "[::1]:0"},
		{"ENRICHGATE_HTTP_LISTEN=localhost:80", func(s Settings) any { return s.HTTPListen }, "localhost:80"},
		{"ENRICHGATE_CACHE_MEMORY=2 mib", func(s Settings) any { return s.CacheMemory }, int64(2 << 20)},
		{"ENRICHGATE_CACHE_MEMORY=5MB", func(s Settings) any { return s.CacheMemory }, int64(5e6)},
		{"ENRICHGATE_CACHE_MEMORY=2097152", func(s Settings) any { return s.CacheMemory }, int64(2 << 20)},
		{"ENRICHGATE_DATA_DIR=/data", func(s Settings) any { return s.DataDir }, "/data"},
		{"OPENCTI_CUSTOM_HEADERS= a : b:c ;X-Y:z;", func(s Settings) any {
			h := s.OpenCTICustomHeaders
			return fmt.Sprint(len(h), h[0].Name, h[0].Value.Reveal(), h[1].Name)
		}, "2ab:cX-Y"},
	} {
		if got := tc.get(load(t, options(t, minimal(tc.env)...))); got != tc.want {
			t.Errorf("%s: got %v, want %v", tc.env, got, tc.want)
		}
	}
}

func TestEnvironmentProblems(t *testing.T) {
	for _, tc := range []struct{ env, want string }{
		{"OPENCTI_URL=ftp://x", `OPENCTI_URL="ftp://x": not an address; write for example https://www.example.com`},
		{"OPENCTI_URL=http://u:hunter2@x", "OPENCTI_URL: an address may not hold a user, a query or a fragment; a credential has its own setting"},
		{"OPENCTI_URL=http://x:99999", `OPENCTI_URL="http://x:99999": the port is not a number from 1 to 65535`},
		{"OPENCTI_URL=", "OPENCTI_URL: required (or opencti.url in config.yml)"},
		{"OPENCTI_TOKEN=", "OPENCTI_TOKEN: required (or OPENCTI_TOKEN_FILE, or opencti.token in config.yml)"},
		{"OPENCTI_TOKEN=hunter2 ", "OPENCTI_TOKEN: holds a space, a line break or a character that cannot be sent; copy it again"},
		{"OPENCTI_TOKEN= ", "OPENCTI_TOKEN: blank"},
		{"OPENCTI_CUSTOM_HEADERS=hunter2", "OPENCTI_CUSTOM_HEADERS: write name:value, and ; between two"},
		{"OPENCTI_SSL_VERIFY=maybe", `OPENCTI_SSL_VERIFY="maybe": neither true, false nor a CA bundle: no such file or directory`},
		{"CONNECTOR_ID=12345", `CONNECTOR_ID="12345": not a UUID; make one with uuidgen and keep it`},
		{"CONNECTOR_ID=00000000-0000-0000-0000-000000000000", `CONNECTOR_ID="00000000-0000-0000-0000-000000000000": the zero UUID names nobody; make one with uuidgen and keep it`},
		{"CONNECTOR_TYPE=STREAM", `CONNECTOR_TYPE="STREAM": only INTERNAL_ENRICHMENT is possible here`},
		{"CONNECTOR_NAME=x", `CONNECTOR_NAME="x": too short; the platform wants two characters or more`},
		{"CONNECTOR_NAME=  ", `CONNECTOR_NAME="  ": blank`},
		{"CONNECTOR_SCOPE=,", `CONNECTOR_SCOPE=",": names nothing`},
		{"CONNECTOR_AUTO=maybe", `CONNECTOR_AUTO="maybe": not a boolean; write true or false`},
		{"CONNECTOR_LOG_LEVEL=loud", `CONNECTOR_LOG_LEVEL="loud": not a log level; write debug, info, warn, error or critical`},
		{"CONNECTOR_LISTEN_PROTOCOL=HTTP", `CONNECTOR_LISTEN_PROTOCOL="HTTP": write AMQP or API`},
		{"QUEUE_PROTOCOL=x", `QUEUE_PROTOCOL="x": write amqp or api`},
		{"CONNECTOR_LISTEN_PROTOCOL_API_PATH=x", `CONNECTOR_LISTEN_PROTOCOL_API_PATH="x": not a path; write for example /api/callback`},
		{"CONNECTOR_LISTEN_PROTOCOL_API_SSL=true", `CONNECTOR_LISTEN_PROTOCOL_API_SSL="true": needs LISTEN_PROTOCOL_API_SSL_KEY and LISTEN_PROTOCOL_API_SSL_CERT`},
		{"LISTEN_PROTOCOL_API_SSL_KEY=hunter2/hunter2", "LISTEN_PROTOCOL_API_SSL_KEY: no such file or directory"},
		{"MQ_USE_SSL_CERT=-----BEGIN PRIVATE KEY-----hunter2", "MQ_USE_SSL_CERT: holds no PEM block of CERTIFICATE"},
		{"MQ_PORT=tcp://10.0.0.1:5672", `MQ_PORT="tcp://10.0.0.1:5672": written by Kubernetes for a service of that name; rename the service or set enableServiceLinks: false`},
		{"MQ_PORT=0", `MQ_PORT="0": not a whole number from 1 to 65535`},
		{"MQ_HOST=amqp://x", `MQ_HOST="amqp://x": not a host name; leave out scheme and path`},
		{"MQ_HOST=u:hunter2@x", "MQ_HOST: only a host belongs here; user and password have their own settings"},
		{"MQ_HOST=x:5672", `MQ_HOST="x:5672": leave out the port; it has its own setting`},
		{"MQ_PASS=ChangeMe", "MQ_PASS: still the placeholder of the sample; write your own value"},
		{"PROOFPOINT_ET_INTELLIGENCE_MAX_TLP=TLP:PURPLE", `PROOFPOINT_ET_INTELLIGENCE_MAX_TLP="TLP:PURPLE": not a TLP; write TLP:CLEAR, TLP:GREEN, TLP:AMBER, TLP:AMBER+STRICT or TLP:RED`},
		{"CONNECTOR_MAX_TLP=x", `CONNECTOR_MAX_TLP="x": not a TLP; write TLP:CLEAR, TLP:GREEN, TLP:AMBER, TLP:AMBER+STRICT or TLP:RED`},
		{"PROOFPOINT_ET_INTELLIGENCE_CACHE_TTL=24 h", `PROOFPOINT_ET_INTELLIGENCE_CACHE_TTL="24 h": not a duration; write PT24H or 24h`},
		{"PROOFPOINT_ET_INTELLIGENCE_CACHE_TTL=0", `PROOFPOINT_ET_INTELLIGENCE_CACHE_TTL="0": must be longer than zero`},
		{"PROOFPOINT_ET_INTELLIGENCE_TIMEOUT=1h", `PROOFPOINT_ET_INTELLIGENCE_TIMEOUT="1h": must be at most 5m0s`},
		{"PROOFPOINT_ET_INTELLIGENCE_TIMEOUT=1us", `PROOFPOINT_ET_INTELLIGENCE_TIMEOUT="1us": must be at least 1ms`},
		{"PROOFPOINT_ET_INTELLIGENCE_QUOTA=5/fortnight", `PROOFPOINT_ET_INTELLIGENCE_QUOTA="5/fortnight": "5/fortnight": "fortnight" is not a period; use second, minute, hour, day, week or month`},
		{"ENRICHGATE_HTTP_LISTEN=8080", `ENRICHGATE_HTTP_LISTEN="8080": not host:port; write for example 127.0.0.1:8080, or off`},
		{"ENRICHGATE_HTTP_LISTEN=:8080", `ENRICHGATE_HTTP_LISTEN=":8080": listening beyond this host needs ENRICHGATE_ADMIN_TOKEN or ENRICHGATE_READ_TOKEN`},
		{"ENRICHGATE_HTTP_LISTEN=0.0.0.0:80", `ENRICHGATE_HTTP_LISTEN="0.0.0.0:80": listening beyond this host needs ENRICHGATE_ADMIN_TOKEN or ENRICHGATE_READ_TOKEN`},
		{"ENRICHGATE_HTTP_LISTEN=[::]:80", `ENRICHGATE_HTTP_LISTEN="[::]:80": listening beyond this host needs ENRICHGATE_ADMIN_TOKEN or ENRICHGATE_READ_TOKEN`},
		{"ENRICHGATE_HTTP_LISTEN=0:80", `ENRICHGATE_HTTP_LISTEN="0:80": listening beyond this host needs ENRICHGATE_ADMIN_TOKEN or ENRICHGATE_READ_TOKEN`},
		{"ENRICHGATE_HTTP_LISTEN=localhost.example.com:80", `ENRICHGATE_HTTP_LISTEN="localhost.example.com:80": listening beyond this host needs ENRICHGATE_ADMIN_TOKEN or ENRICHGATE_READ_TOKEN`},
		{"ENRICHGATE_ADMIN_TOKEN=hunter2", "ENRICHGATE_ADMIN_TOKEN: has fewer than 32 characters, which can be guessed; make one with: openssl rand -hex 32"},
		{"ENRICHGATE_HTTP_TOKEN=hunter2", "ENRICHGATE_HTTP_TOKEN: has fewer than 32 characters, which can be guessed; make one with: openssl rand -hex 32"},
		{"ENRICHGATE_READ_TOKEN=hunter2", "ENRICHGATE_READ_TOKEN: has fewer than 32 characters, which can be guessed; make one with: openssl rand -hex 32"},
		{"MQ_HEARTBEAT=0", `MQ_HEARTBEAT="0": must be longer than zero`},
		{"ENRICHGATE_LOOP_LIMIT=-1", `ENRICHGATE_LOOP_LIMIT="-1": not a whole number from 0 to 1000000`},
		{"ENRICHGATE_WORKERS=0", `ENRICHGATE_WORKERS="0": not a whole number from 1 to 1024`},
		{"ENRICHGATE_DATA_DIR=~/data", `ENRICHGATE_DATA_DIR="~/data": ~ is not expanded; write the whole path`},
		{"ENRICHGATE_CACHE_MAX_SIZE=1MiB", `ENRICHGATE_CACHE_MAX_SIZE="1MiB": must be at least 16MiB`},
		{"ENRICHGATE_CACHE_ENCRYPTION_KEY_FILE=nowhere", `ENRICHGATE_CACHE_ENCRYPTION_KEY_FILE="nowhere": no such file or directory`},
		{"CONNECTOR_METRICS_NAMESPACE=a b", `CONNECTOR_METRICS_NAMESPACE="a b": a metric's name has letters, digits and underscores, and no digit first`},
		{"ENRICHGATE_CACHE_MEMORY=1KiB", `ENRICHGATE_CACHE_MEMORY="1KiB": must be at least 1MiB`},
		{"ENRICHGATE_CACHE_MEMORY=lots", `ENRICHGATE_CACHE_MEMORY="lots": not a size up to 1TiB; write for example 256MiB`},
		{"ENRICHGATE_CACHE_MEMORY=9999999TiB", `ENRICHGATE_CACHE_MEMORY="9999999TiB": not a size up to 1TiB; write for example 256MiB`},
		{"ENRICHGATE_CONFIG=nowhere.yml", "nowhere.yml: cannot be read: no such file or directory"},
		{"PROOFPOINT_ET_INTELLIGENCE_QUOTA_PER_MNTH=1", "PROOFPOINT_ET_INTELLIGENCE_QUOTA_PER_MNTH: unknown; did you mean PROOFPOINT_ET_INTELLIGENCE_QUOTA?"},
		{"PROOFPOINT_ET_API_KEY=hunter2", "PROOFPOINT_ET_API_KEY: not read by the public connector either; did you mean PROOFPOINT_ET_INTELLIGENCE_API_KEY?"},
		{"PROOFPOINT_ET_API_BASE_URL=x", "PROOFPOINT_ET_API_BASE_URL: not read by the public connector either; did you mean PROOFPOINT_ET_INTELLIGENCE_API_BASE_URL?"},
		{"PROOFPOINT_ET_MAX_TLP=x", "PROOFPOINT_ET_MAX_TLP: not read by the public connector either; did you mean PROOFPOINT_ET_INTELLIGENCE_MAX_TLP?"},
		{"PROOFPOINT_API_KEY=x", "PROOFPOINT_API_KEY: unknown; did you mean PROOFPOINT_ET_INTELLIGENCE_API_KEY?"},
		{"PROOFPOINT_ET_INTELIGENCE_QUOTA=x", "PROOFPOINT_ET_INTELIGENCE_QUOTA: unknown; did you mean PROOFPOINT_ET_INTELLIGENCE_QUOTA?"},
		{"PROOFPOINT_ET_INTELLIGENCE_MAX_TLP_FILE=x", "PROOFPOINT_ET_INTELLIGENCE_MAX_TLP_FILE: unknown; did you mean PROOFPOINT_ET_INTELLIGENCE_MAX_TLP?"},
		{"ENRICHGATE_LISTEN=x", "ENRICHGATE_LISTEN: unknown; did you mean ENRICHGATE_HTTP_LISTEN?"},
		{"ENRICHGATE_HTTP=x", "ENRICHGATE_HTTP: unknown; did you mean ENRICHGATE_HTTP_LISTEN?"},
		{"enrichgate_data_dir=x", "enrichgate_data_dir: unknown; did you mean ENRICHGATE_DATA_DIR?"},
		{"ENRICHGATE_HTTP_PORT=8080", "ENRICHGATE_HTTP_PORT: unknown; did you mean ENRICHGATE_HTTP_LISTEN?"},
		{"ENRICHGATE_CONFIG=a\nb", `"a\nb": cannot be read: no such file or directory`},
		{"ENRICHGATE_FROBNICATE=x", "ENRICHGATE_FROBNICATE: unknown"},
	} {
		o := options(t, minimal(tc.env)...)
		got := lines(t, o)
		if len(got) != 1 || got[0] != tc.want {
			t.Errorf("%s\ngot  %q\nwant %q", tc.env, got, tc.want)
		}
		if strings.Contains(strings.Join(got, " "), "hunter2") {
			t.Errorf("%s: a secret appears", tc.env)
		}
	}
}

func TestReportShape(t *testing.T) {
	o := options(t, minimal("PROOFPOINT_ET_INTELLIGENCE_CACHE_TTL=24 h", "PROOFPOINT_ET_INTELLIGENCE_QUOTA_PER_MNTH=7")...)
	write(t, o, "config.yml", strings.Repeat("# line\n", 12)+"enrichgate:\n  http_listen: 0.0.0.0:8080\n")
	_, err := Load(o)
	const want = `config: 3 problems (config.yml + environment)
  PROOFPOINT_ET_INTELLIGENCE_CACHE_TTL="24 h": not a duration; write PT24H or 24h
  enrichgate.http_listen="0.0.0.0:8080" (config.yml:14): listening beyond this host needs ENRICHGATE_ADMIN_TOKEN or ENRICHGATE_READ_TOKEN
  PROOFPOINT_ET_INTELLIGENCE_QUOTA_PER_MNTH: unknown; did you mean PROOFPOINT_ET_INTELLIGENCE_QUOTA?
run 'enrichgate config check' to try again without starting`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	var p *Problems
	if !errors.As(err, &p) || p.ExitCode() != 78 {
		t.Errorf("exit code of %v", err)
	}
	_, err = Load(options(t, minimal("CONNECTOR_AUTO=x")...))
	if err == nil || !strings.HasPrefix(err.Error(), "config: 1 problem (environment)\n") {
		t.Errorf("got %v", err)
	}
}

func TestPrecedence(t *testing.T) {
	o := options(t, minimal("CONNECTOR_NAME=from env", "CONNECTOR_LOG_LEVEL=", "CONNECTOR_SCOPE=")...)
	write(t, o, "config.yml", `
opencti: {token: other}
connector:
  name: from file
  log_level: debug
  scope: [Url]
  auto: yes
mq: {port: 5671, vhost: "", user:}
`)
	s := load(t, o)
	if s.Connectors[0].Name != "from env" || s.OpenCTIToken != "flgrn_octi_tkn_0123456789" {
		t.Error("the environment does not win")
	}
	if s.LogLevel.String() != "ERROR" || len(s.Connectors[0].Scope) != 3 {
		t.Error("an empty variable does not give the default")
	}
	if !s.Connectors[0].Auto || s.MQPort != 5671 || s.MQVHost != "" || s.MQUser != "" {
		t.Errorf("the file is not read: %+v", s)
	}
	for name, want := range map[string]string{
		"CONNECTOR_NAME": "environment", "CONNECTOR_AUTO": "config.yml:7", "CONNECTOR_LOG_LEVEL": "default",
		"MQ_PORT": "config.yml:8", "NO_SUCH": "",
	} {
		if got := s.Origin(name); got != want {
			t.Errorf("Origin(%s) = %q, want %q", name, got, want)
		}
	}

	o = options(t, "OPENCTI_URL=", "OPENCTI_TOKEN=t", "CONNECTOR_ID="+testID, "PROOFPOINT_ET_INTELLIGENCE_API_KEY=k")
	write(t, o, "config.yml", "opencti:\n  url: http://x\n")
	if got := lines(t, o); len(got) != 1 || got[0] != "OPENCTI_URL: required; it is set to nothing here, which hides opencti.url (config.yml:2)" {
		t.Errorf("got %q", got)
	}
}

func TestSearchOrder(t *testing.T) {
	name := func(who string) string { return "connector: {name: " + who + "}\n" }
	o := options(t, minimal()...)
	write(t, o, "etc/config.yml", name("system"))
	check := func(want, file string) {
		t.Helper()
		if s := load(t, o); s.Connectors[0].Name != want || s.ConfigFile != file {
			t.Errorf("got %s from %s, want %s from %s", s.Connectors[0].Name, s.ConfigFile, want, file)
		}
	}
	check("system", o.systemConfig)
	write(t, o, "config.yml", name("local"))
	check("local", "config.yml")
	write(t, o, "named.yml", name("named"))
	o.Environ = append(o.Environ, "ENRICHGATE_CONFIG=named.yml")
	check("named", "named.yml")
	flagged := write(t, o, "flag.yml", name("flag"))
	o.ConfigPath = flagged
	check("flag", flagged)
	o.ConfigPath = "missing.yml"
	if got := lines(t, o); len(got) != 1 || got[0] != "missing.yml: cannot be read: no such file or directory" {
		t.Errorf("got %q", got)
	}
	o = options(t)
	if err := os.Mkdir(filepath.Join(o.Dir, "config.yml"), 0o700); err != nil {
		t.Fatal(err)
	}
	if got := lines(t, o); len(got) != 1 || got[0] != "config.yml: is a directory; Docker makes one when the file to mount is missing" {
		t.Errorf("got %q", got)
	}
}

func TestNeed(t *testing.T) {
	o := options(t)
	o.Need = NeedData
	if s := load(t, o); et(s).QuotaText() != "200/minute" || s.OpenCTIToken != "" {
		t.Errorf("got %+v", s)
	}
	o.Environ = []string{"OPENCTI_TOKEN=ChangeMe", "OPENCTI_TOKEN_FILE=", "CONNECTOR_ID=ChangeMe",
		"PROOFPOINT_ET_INTELLIGENCE_API_KEY_FILE=/nowhere/key", "ENRICHGATE_HTTP_LISTEN=0.0.0.0:8080", "MQ_USE_SSL_CA=/nowhere/ca"}
	s := load(t, o)
	if s.OpenCTIToken != "" || s.Connectors[0].ID != "" || len(s.Notices) != 1 {
		t.Errorf("got %+v", s)
	}
	o.Need = NeedLookup
	if got := lines(t, o); len(got) != 1 || got[0] != `PROOFPOINT_ET_INTELLIGENCE_API_KEY_FILE: cannot read "/nowhere/key": no such file or directory` {
		t.Errorf("got %q", got)
	}
	o.Need = NeedRun
	if got := lines(t, o); len(got) != 6 {
		t.Errorf("got %q", got)
	}
	o.Need = NeedData
	o.Environ = []string{"CONNECTOR_LOG_LEVEL=loud"}
	if got := lines(t, o); len(got) != 1 {
		t.Errorf("a value that makes no sense: got %q", got)
	}
}

func TestAliases(t *testing.T) {
	const name = "PROOFPOINT_ET_INTELLIGENCE_MAX_TLP"
	s := load(t, options(t, minimal(name+"=TLP:GREEN", "CONNECTOR_MAX_TLP=green")...))
	if et(s).MaxTLP != "TLP:GREEN" {
		t.Errorf("got %s", et(s).MaxTLP)
	}
	got := lines(t, options(t, minimal(name+"=TLP:GREEN", "CONNECTOR_MAX_TLP=TLP:RED")...))
	if want := `CONNECTOR_MAX_TLP="TLP:RED": another name of ` + name + `, which says "TLP:GREEN"; keep one`; len(got) != 1 || got[0] != want {
		t.Errorf("got %q", got)
	}
	o := options(t, minimal()...)
	write(t, o, "config.yml", "connector: {max_tlp: TLP:RED}\n")
	if s := load(t, o); et(s).MaxTLP != "TLP:RED" || s.Origin(name) != "config.yml:1" || len(s.Notices) != 1 {
		t.Errorf("got %+v", s)
	}
	write(t, o, "config.yml", "connector: {max_tlp: TLP:RED}\nproofpoint_et_intelligence: {max_tlp: TLP:GREEN}\n")
	if got := lines(t, o); len(got) != 1 || !strings.Contains(got[0], "connector.max_tlp") {
		t.Errorf("got %q", got)
	}
}

func TestNotices(t *testing.T) {
	o := options(t, minimal(
		"CONNECTOR_RUN_AND_TERMINATE=true", "CONNECTOR_LIVE_STREAM_ID=x", "OPENCTI_SOMETHING=x", "MQ_SERVICE_HOST=10.0.0.1",
		"CONNECTOR_AUTO_CREATE_SERVICE_ACCOUNT=true", "HTTPS_CA_CERTIFICATES=x", "OTHER=x", "CONNECTOR_AUTO=true", "OPENCTI_SSL_VERIFY=false",
		"ENRICHGATE_SERVICE_HOST=10.0.0.2", "ENRICHGATE_PORT=tcp://10.0.0.2:8080", "ENRICHGATE_PORT_8080_TCP_ADDR=10.0.0.2",
	)...)
	write(t, o, "config.yml", "connector: {confidence_level: 50, auto_create_service_account_confidence_level: 1}\nx-common: 1\ns3: {unheard_of: x}\nui: 1\n")
	s := load(t, o)
	if len(s.Notices) != 11 || len(s.Warnings) != 5 {
		t.Errorf("%d notices\n%s\n%d warnings\n%s", len(s.Notices), strings.Join(s.Notices, "\n"), len(s.Warnings), strings.Join(s.Warnings, "\n"))
	}
}

// A token that opens everything is no token for looking, and who listens beyond
// this host in clear is told.
func TestTokensOfTheListener(t *testing.T) {
	const token = "0123456789abcdef0123456789abcdef"
	got := lines(t, options(t, minimal("ENRICHGATE_ADMIN_TOKEN="+token, "ENRICHGATE_READ_TOKEN="+token)...))
	if want := "ENRICHGATE_READ_TOKEN: is the admin token: whoever may look could change everything"; len(got) != 1 || got[0] != want {
		t.Errorf("got %q", got)
	}
	cert, key := certificate(t)
	for _, c := range []struct {
		env  []string
		warn bool
	}{
		{[]string{"ENRICHGATE_HTTP_LISTEN=0.0.0.0:8080"}, true},
		{[]string{"ENRICHGATE_HTTP_LISTEN=0.0.0.0:8080", "ENRICHGATE_HTTP_TLS_CERT=" + cert, "ENRICHGATE_HTTP_TLS_KEY=" + key}, false},
		{[]string{"ENRICHGATE_HTTP_LISTEN=127.0.0.1:8080"}, false},
		{[]string{"ENRICHGATE_HTTP_LISTEN=off"}, false},
	} {
		s := load(t, options(t, minimal(append(c.env, "ENRICHGATE_HTTP_TOKEN="+token)...)...))
		if s.AdminToken.Reveal() != token || strings.Contains(strings.Join(s.Warnings, " "), "in clear") != c.warn {
			t.Errorf("%s: warnings %q", c.env[0], s.Warnings)
		}
	}
}

// However many settings are wrong, and whichever, all are named at once.
func TestAllProblemsAtOnce(t *testing.T) {
	wrong := []string{
		"OPENCTI_URL=x", "OPENCTI_TOKEN=a b", "OPENCTI_JSON_LOGGING=x", "CONNECTOR_ID=x", "CONNECTOR_SCOPE=,",
		"MQ_PORT=x", "PROOFPOINT_ET_INTELLIGENCE_MAX_TLP=x", "PROOFPOINT_ET_INTELLIGENCE_CACHE_TTL=x",
		"ENRICHGATE_HTTP_LISTEN=x", "ENRICHGATE_WORKERS=x", "ENRICHGATE_UNHEARD_OF=x", "PROOFPOINT_ET_API_KEY=x",
	}
	for set := 1; set < 1<<len(wrong); set += 7 {
		env := minimal()
		var names []string
		for i, w := range wrong {
			if set>>i&1 == 1 {
				env = append(env, w)
				name, _, _ := strings.Cut(w, "=")
				names = append(names, name)
			}
		}
		_, err := Load(Options{Sources: specs(), Environ: env, systemConfig: "nowhere", Dir: "testdata"})
		var p *Problems
		if !errors.As(err, &p) || len(p.List) != len(names) {
			t.Fatalf("%d wrong, got %v", len(names), err)
		}
		for _, n := range names {
			if !slices.ContainsFunc(p.List, func(one Problem) bool { return one.Name == n }) {
				t.Fatalf("%s is not named in %v", n, err)
			}
		}
	}
}

func BenchmarkLoad(b *testing.B) {
	o := options(b, minimal()...)
	write(b, o, "config.yml", YAMLSample(specs()))
	o.Need = NeedData
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Load(o); err != nil {
			b.Fatal(err)
		}
	}
}
