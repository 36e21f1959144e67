package main

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/settings"
)

type initCmd struct {
	Dir       string   `help:"Where to write the files." default:"." type:"path" placeholder:"DIR"`
	URL       string   `name:"opencti-url" help:"Address of OpenCTI (asked for on a terminal)." placeholder:"URL"`
	Token     string   `name:"opencti-token" help:"Token of the connector's user there; - reads a line of standard input (default: $OPENCTI_TOKEN, or asked for, unseen). Others see a command line: better -, or a file." placeholder:"TOKEN" xor:"token"`
	TokenFile string   `name:"opencti-token-file" help:"File that holds it." placeholder:"FILE" xor:"token"`
	Source    string   `help:"The source to ask." default:"proofpoint_et_intelligence" placeholder:"NAME"`
	Key       []string `help:"The source's key, several in its order; - reads a line of standard input (default: the source's environment variable, or asked for, unseen)." placeholder:"KEY" xor:"key"`
	KeyFile   []string `name:"key-file" help:"File that holds it." placeholder:"FILE" xor:"key"`
	Quota     string   `help:"What the key may spend, such as 200/minute,10000/month (default: the source's)." placeholder:"LIMITS"`
	Force     bool     `help:"Overwrite files that are there."`
}

// The files that init writes: secrets stand in one of their own.
const (
	initConfig  = "config.yml"
	initSecrets = ".env"
	initCompose = "docker-compose.yml"
)

// Run writes what a first start needs. It asks nobody but the user.
func (i initCmd) Run(env *environment) error {
	specs := sourceSpecs()
	at := slices.IndexFunc(specs, func(s settings.SourceSpec) bool { return s.Name == i.Source })
	if at < 0 {
		return &exitError{exitUsage, fmt.Errorf("there is no source %q; 'enrichgate source list' has them", i.Source)}
	}
	for _, name := range []string{initConfig, initSecrets, initCompose} {
		if _, err := os.Stat(filepath.Join(i.Dir, name)); err == nil && !i.Force {
			return &exitError{exitUsage, fmt.Errorf("%s is there already: choose another --dir, or --force", filepath.Join(i.Dir, name))}
		}
	}
	secrets, err := i.ask(env, specs[at])
	if err != nil {
		return err
	}
	// In a container the page is beyond loopback, and so wants a token.
	secrets = append(secrets, secret{adminToken, cmp.Or(env.variable(adminToken), newToken())})
	files := map[string]string{
		initConfig: i.config(), initCompose: compose(version()), initSecrets: envFile(secrets),
	}
	if err := i.check(files[initConfig], secrets); err != nil {
		return err
	}
	if err := os.MkdirAll(i.Dir, 0o755); err != nil {
		return err
	}
	for _, name := range []string{initSecrets, initConfig, initCompose} {
		mode := os.FileMode(0o644)
		if name == initSecrets {
			mode = 0o600
		}
		path := filepath.Join(i.Dir, name)
		if err := errors.Join(os.WriteFile(path, []byte(files[name]), mode), os.Chmod(path, mode)); err != nil {
			return err
		}
	}
	env.say("wrote %s, %s (secrets, for you alone) and %s in %s. Next:\n\n  set -a; . ./%[2]s; set +a\n  enrichgate doctor\n  enrichgate run          # or: docker compose up -d\n\nThe page is then at http://127.0.0.1:8080; "+adminToken+" of %[2]s signs in.",
		initConfig, initSecrets, initCompose, i.Dir)
	return nil
}

// secret is one line of the secrets' file.
type secret struct{ name, value string }

// ask completes what the flags left out.
func (i *initCmd) ask(env *environment, spec settings.SourceSpec) ([]secret, error) {
	q := newQuestions(env)
	var err error
	if i.URL == "" {
		if i.URL, err = q.ask("Address of OpenCTI, such as https://opencti.example.com", "--opencti-url", false); err != nil {
			return nil, err
		}
	}
	var tokens []given
	if i.Token != "" || i.TokenFile != "" {
		tokens = []given{{i.Token, i.TokenFile}}
	}
	token, _, err := q.secret("OPENCTI_TOKEN", "Token of the connector's user", "--opencti-token", tokens)
	if err != nil {
		return nil, err
	}
	all, keys := []secret{token}, i.keys()
	for _, one := range spec.Secrets {
		name := spec.KeyEnv(one)
		if one.Optional && len(keys) == 0 && env.variable(name) == "" {
			continue
		}
		var key secret
		if key, keys, err = q.secret(name, fmt.Sprintf("%s: %s", spec.Title, one.Help), "--key", keys); err != nil {
			return nil, err
		}
		all = append(all, key)
	}
	if len(keys) > 0 {
		return nil, &exitError{exitUsage, fmt.Errorf("%s has fewer keys than were given", spec.Name)}
	}
	return all, nil
}

// keys are the source's keys as the flags give them.
func (i *initCmd) keys() (all []given) {
	for _, value := range i.Key {
		all = append(all, given{value: value})
	}
	for _, file := range i.KeyFile {
		all = append(all, given{file: file})
	}
	return all
}

// config is config.yml without its secrets.
func (i *initCmd) config() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Settings of enrichgate; the secrets are in %s. See config.yml.sample for all.\n", initSecrets)
	fmt.Fprintf(&b, "opencti:\n  url: %s\nconnector:\n  id: %s\n  source: %s\n", quoted(i.URL), quoted(uuid.NewString()), quoted(i.Source))
	if i.Quota != "" {
		fmt.Fprintf(&b, "%s:\n  quota: %s\n", i.Source, quoted(i.Quota))
	}
	return b.String()
}

// quoted is a text in YAML, of which JSON is a part.
func quoted(s string) string {
	b, _ := json.Marshal(s) // a string always encodes
	return string(b)
}

// envFile is read by shells and by Docker.
func envFile(secrets []secret) string {
	var b strings.Builder
	for _, s := range secrets {
		fmt.Fprintf(&b, "%s='%s'\n", s.name, s.value)
	}
	return b.String()
}

// adminToken is the setting that init fills in by itself.
const adminToken = "ENRICHGATE_ADMIN_TOKEN"

// newToken is a token as the README makes one; rand.Text is shorter than the
// daemon takes.
func newToken() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// compose is the compose file, with the image of a version: the ledger is not to
// meet another program unasked.
func compose(version string) string {
	tag := strings.TrimPrefix(strings.ReplaceAll(version, "+", "-"), "v") // a tag has no +
	return strings.ReplaceAll(initComposeText, "{tag}", tag)
}

// initComposeText runs the image with the two other files.
const initComposeText = `services:
  connector-enrichgate:
    # No registry has it. In a clone of the repository:
    #   docker build --build-arg VERSION={tag} -t enrichgate/connector-enrichgate:{tag} .
    image: enrichgate/connector-enrichgate:{tag}
    # build: ../enrichgate # or the path of the clone: compose then builds it
    env_file: .env
    environment:
      # Inside a container loopback is nobody; who may come in is said by ports.
      ENRICHGATE_HTTP_LISTEN: 0.0.0.0:8080
    ports:
      - 127.0.0.1:8080:8080 # page, API and /metrics, with the tokens of .env
    volumes:
      - ./config.yml:/etc/enrichgate/config.yml:ro
      - enrichgate-data:/data # the ledger: back it up
    read_only: true
    cap_drop: [ALL]
    security_opt: ["no-new-privileges:true"]
    stop_grace_period: 45s
    restart: always
volumes:
  enrichgate-data: {}
`

// atPath has problems name the file that was going to be written, not the copy
// that was looked at.
func atPath(err error, looked, real string) error {
	var p *settings.Problems
	if !errors.As(err, &p) {
		return err
	}
	p.Sources = strings.ReplaceAll(p.Sources, looked, real)
	for i := range p.List {
		p.List[i].Where = strings.ReplaceAll(p.List[i].Where, looked, real)
	}
	return err
}

// check lets the daemon's own reader judge before anything is written.
func (i *initCmd) check(config string, secrets []secret) error {
	var environ []string
	for _, s := range secrets {
		if strings.ContainsAny(s.value, "'\n\r") {
			return &exitError{exitUsage, fmt.Errorf("%s holds a quotation mark or a line break, which Docker and shells read differently", s.name)}
		}
		environ = append(environ, s.name+"="+s.value)
	}
	dir, err := os.MkdirTemp("", "enrichgate-init")
	if err != nil {
		return err
	}
	path := filepath.Join(dir, initConfig)
	err = os.WriteFile(path, []byte(config), 0o600)
	if err == nil {
		_, err = settings.Load(settings.Options{Environ: environ, ConfigPath: path, Sources: sourceSpecs()})
	}
	return errors.Join(atPath(err, path, filepath.Join(i.Dir, initConfig)), os.RemoveAll(dir))
}
