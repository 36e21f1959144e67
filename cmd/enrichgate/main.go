// Command enrichgate is an OpenCTI enrichment connector that never pays twice:
// it keeps every answer of a paid threat-intelligence API, lets concurrent
// requests share one call, and writes each unit of quota into a durable ledger
// before the call leaves.
//
// main turns signals into the end of a context and errors into exit codes; each
// subcommand has a file of its own.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
	_ "time/tzdata" // quotas are counted in the operator's time zone, wherever we run

	"github.com/alecthomas/kong"

	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/settings"
)

// Exit codes beside 0 and 1. 78 is sysexits' EX_CONFIG, which service managers
// can be told not to restart on.
const (
	exitUsage       = 2
	exitNotFound    = 3
	exitAuth        = 4
	exitDenied      = 5
	exitQuota       = 6
	exitStale       = 7
	exitUnavailable = 8
	exitUnreachable = 69 // EX_UNAVAILABLE: whoever holds the data directory does not answer
	exitConfig      = settings.ExitCode
	exitInterrupted = 130
)

// exitError ends the program with a code of its own.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// environment is what a command may touch of the world; tests bring their own.
type environment struct {
	ctx            context.Context
	environ        []string
	stdin          io.Reader // nil: nothing to read
	stdout, stderr io.Writer

	// quiet leaves out what is said beside results; model is the command line's
	// own description. Both are execute's to set.
	quiet bool
	model *kong.Application
}

// cli is the command line; kong reads it off the tags.
type cli struct {
	Config    string        `help:"Path of config.yml (default: $ENRICHGATE_CONFIG, ./config.yml, /etc/enrichgate/config.yml)." type:"path" placeholder:"FILE"`
	Quiet     bool          `help:"Say nothing beside results and errors." short:"q"`
	Server    string        `help:"Ask the daemon at this address over its HTTP API, instead of the one of this host." placeholder:"URL"`
	TokenFile string        `help:"File with the token for --server." type:"path" placeholder:"FILE"`
	Timeout   time.Duration `help:"Give up after this time (default: never)." placeholder:"30s"`

	Run     runCmd     `cmd:"" help:"Run the connector."`
	Lookup  lookupCmd  `cmd:"" help:"Look values up: IP addresses, domains, URLs, file hashes, e-mail addresses, AS numbers, CVE ids."`
	Quota   quotaCmd   `cmd:"" help:"Show what was spent and what is left."`
	Ledger  ledgerCmd  `cmd:"" help:"Read the audit log of everything that was spent."`
	Cache   cacheCmd   `cmd:"" help:"Look into the cache, fill it, empty it."`
	Source  sourceCmd  `cmd:"" help:"Sources: list, show, test, lint, new; pause and resume."`
	Client  clientCmd  `cmd:"" help:"Say who may use the HTTP API and the proxy."`
	Demo    demoCmd    `cmd:"" help:"Show the whole thing at work: no key, no broker, no OpenCTI, no network."`
	Conf    configCmd  `cmd:"" name:"config" help:"Check the configuration."`
	Version versionCmd `cmd:"" help:"Print the version."`
	Health  healthCmd  `cmd:"" name:"healthcheck" help:"Ask the running connector whether it and its ledger are well, whoever else is away; for container health checks."`

	Init       initCmd       `cmd:"" help:"Write the files of a first start: settings, secrets, compose file."`
	Status     statusCmd     `cmd:"" help:"Show how the running daemon is."`
	Metrics    metricsCmd    `cmd:"" help:"Print the metrics of the running daemon."`
	Doctor     doctorCmd     `cmd:"" help:"Check settings, disk, network, tokens and clock, and say what to do."`
	Bundle     bundleCmd     `cmd:"" name:"support-bundle" help:"Pack settings without secrets, metrics and quota for somebody who helps."`
	Rules      rulesCmd      `cmd:"" help:"Print recording and alerting rules for Prometheus."`
	Dashboard  dashboardCmd  `cmd:"" help:"Print a dashboard for Grafana, to import."`
	Completion completionCmd `cmd:"" help:"Print a completion script for a shell."`
	Man        manCmd        `cmd:"" help:"Print the manual page."`
	Complete   completeCmd   `cmd:"" name:"__complete" hidden:""`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := execute(environment{ctx: ctx, environ: os.Environ(), stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}, os.Args[1:])
	stop()
	os.Exit(code)
}

// execute runs one command line and says how it ended.
func execute(env environment, args []string) int {
	var c cli
	exited := -1
	parser, err := kong.New(&c, kong.Name("enrichgate"),
		kong.Description("An OpenCTI enrichment connector that never pays twice."),
		kong.Writers(env.stdout, env.stderr), kong.Exit(func(code int) { exited = code }), kong.Bind(&env, &c),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}))
	if err != nil {
		return fail(env.stderr, err)
	}
	env.model = parser.Model
	k, err := parser.Parse(bareJSON(args))
	if exited >= 0 {
		return exited // --help
	}
	if err != nil {
		fmt.Fprintf(env.stderr, "enrichgate: %s (see enrichgate --help)\n", nearOnly(err.Error()))
		return exitUsage
	}
	env.quiet = c.Quiet
	if c.Timeout > 0 {
		ctx, cancel := context.WithTimeout(env.ctx, c.Timeout)
		defer cancel()
		env.ctx = ctx
	}
	if err := k.Run(); err != nil {
		return fail(env.stderr, err)
	}
	return 0
}

// fail prints an error, one line unless it is a list of problems, and chooses
// the exit code.
func fail(w io.Writer, err error) int {
	var problems *settings.Problems
	if errors.As(err, &problems) {
		fmt.Fprintln(w, strings.TrimRight(problems.Error(), "\n"))
		return exitConfig
	}
	var declared lintProblems
	if errors.As(err, &declared) {
		fmt.Fprintln(w, declared.Error())
		return exitConfig
	}
	var coded *exitError
	if errors.As(err, &coded) {
		if coded.err != nil {
			fmt.Fprintln(w, "enrichgate:", oneLine(coded.err))
		}
		return coded.code
	}
	fmt.Fprintln(w, "enrichgate:", oneLine(err))
	return 1
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

// load reads the settings for a command.
func (c *cli) load(env *environment, need settings.Need) (settings.Settings, error) {
	o := settings.Options{Environ: env.environ, ConfigPath: c.Config, Need: need}
	sources, problems := sourcesIn(settings.SourcesDir(o))
	o.Sources = sources
	s, err := settings.Load(o)
	for _, p := range problems {
		s.Warnings = append(s.Warnings, p.Error())
	}
	return s, err
}
