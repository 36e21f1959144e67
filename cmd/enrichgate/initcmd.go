package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/uuid"
	"golang.org/x/sys/unix"

	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/output"
	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/settings"
)

type initCmd struct {
	Dir    string   `help:"Where to write the files." default:"." type:"path" placeholder:"DIR"`
	URL    string   `name:"opencti-url" help:"Address of OpenCTI (asked for on a terminal)." placeholder:"URL"`
	Token  string   `name:"opencti-token" help:"Token of the connector's user there (asked for, unseen)." placeholder:"TOKEN"`
	Source string   `help:"The source to ask." default:"proofpoint_et_intelligence" placeholder:"NAME"`
	Key    []string `help:"The source's key, several in its order (asked for, unseen)." placeholder:"KEY"`
	Quota  string   `help:"What the key may spend, such as 200/minute,10000/month (default: the source's)." placeholder:"LIMITS"`
	Force  bool     `help:"Overwrite files that are there."`
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
	files := map[string]string{
		initConfig: i.config(), initCompose: initComposeText, initSecrets: envFile(secrets),
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
	env.say("wrote %s, %s (secrets, for you alone) and %s in %s. Next:\n\n  set -a; . ./%[2]s; set +a\n  enrichgate doctor\n  enrichgate run          # or: docker compose up -d",
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
	if i.Token == "" {
		if i.Token, err = q.ask("Token of the connector's user", "--opencti-token", true); err != nil {
			return nil, err
		}
	}
	all := []secret{{"OPENCTI_TOKEN", i.Token}}
	keys := i.Key
	for _, one := range spec.Secrets {
		if one.Optional && len(keys) == 0 {
			continue
		}
		value := ""
		if len(keys) > 0 {
			value, keys = keys[0], keys[1:]
		} else if value, err = q.ask(fmt.Sprintf("%s: %s", spec.Title, one.Help), "--key", true); err != nil {
			return nil, err
		}
		all = append(all, secret{cmp.Or(one.Env, cmp.Or(spec.Prefix, strings.ToUpper(spec.Name)+"_")+strings.ToUpper(one.Name)), value})
	}
	if len(keys) > 0 {
		return nil, &exitError{exitUsage, fmt.Errorf("%s has fewer keys than were given", spec.Name)}
	}
	return all, nil
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

// initComposeText runs the image with the two other files.
const initComposeText = `services:
  connector-enrichgate:
    image: enrichgate/connector-enrichgate:latest
    env_file: .env
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
	return errors.Join(err, os.RemoveAll(dir))
}

// questions are asked on a terminal, and only there.
type questions struct {
	env *environment
	in  *os.File // nil: there is none
	buf *bufio.Reader
}

func newQuestions(env *environment) *questions {
	q := &questions{env: env}
	if in, ok := env.stdin.(*os.File); ok && output.TerminalOf(in, nil).Width > 0 {
		q.in, q.buf = in, bufio.NewReader(in)
	}
	return q
}

// ask reads a line; unseen ones are not shown while they are typed.
func (q *questions) ask(what, flag string, unseen bool) (string, error) {
	if q.in == nil {
		return "", &exitError{exitUsage, fmt.Errorf("%s is needed where nobody can be asked", flag)}
	}
	fmt.Fprintf(q.env.stderr, "%s: ", what)
	if unseen {
		show, err := hideTyping(q.in)
		if err != nil {
			return "", err
		}
		defer func() { show(); fmt.Fprintln(q.env.stderr) }()
	}
	line, err := q.buf.ReadString('\n')
	if line = strings.TrimSpace(line); err != nil || line == "" {
		return "", &exitError{exitUsage, errors.New("nothing was typed; nothing was written")}
	}
	return line, nil
}

// hideTyping switches a terminal's echo off, and back on.
func hideTyping(f *os.File) (show func(), err error) {
	fd := int(f.Fd())
	before, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return nil, err
	}
	silent := *before
	silent.Lflag &^= unix.ECHO
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &silent); err != nil {
		return nil, err
	}
	return func() { _ = unix.IoctlSetTermios(fd, unix.TCSETS, before) }, nil // the terminal may be gone
}
