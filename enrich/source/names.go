package source

import (
	"maps"
	"slices"
	"strings"
)

// BuiltIn are the settings that every source has, as config.yml names them. A
// secret or parameter of such a name could not be set apart from it. The daemon
// has the settings themselves; a test there holds this list against them.
func BuiltIn() []string {
	return strings.Fields(`api_base_url enabled max_tlp unmarked_tlp skip_private timeout
		quota quota_timezone quota_reset_day quota_reset_hour quota_safety_margin quota_initial_used
		quota_on_exhausted quota_max_wait quota_reserve_playbook quota_reserve_api quota_reserve_proxy quota_auto
		unit_price currency cache_ttl cache_negative_ttl cache_stale endpoints limits budgets`)
}

// Environment names that are somebody else's: what is read from them would go
// to the provider.
const (
	// platformPrefixes begin the names of OpenCTI and of this daemon.
	platformPrefixes = `OPENCTI_ CONNECTOR_ CONNECTORS_ ENRICHGATE_ MQ_ S3_ LISTEN_PROTOCOL_ QUEUE_PROTOCOL`
	// machineNames are set for programs in general.
	machineNames = `PATH HOME USER LOGNAME SHELL PWD OLDPWD HOSTNAME LANG LC_ALL TERM TZ TMPDIR
		HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY SSL_CERT_FILE SSL_CERT_DIR
		GODEBUG GOGC GOMAXPROCS GOMEMLIMIT GOTRACEBACK KUBERNETES_SERVICE_HOST KUBERNETES_SERVICE_PORT NOTIFY_SOCKET CREDENTIALS_DIRECTORY`
	// othersKeys are keys that often stand in the same environment. They are a
	// source's own only under its prefix.
	othersKeys = `AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AZURE_CLIENT_SECRET GOOGLE_APPLICATION_CREDENTIALS
		GITHUB_TOKEN GITLAB_TOKEN VAULT_TOKEN DATABASE_URL PGPASSWORD POSTGRES_PASSWORD
		RABBITMQ_DEFAULT_PASS MINIO_ROOT_PASSWORD ELASTIC_PASSWORD REDIS_PASSWORD`
)

// Reserved says that no definition can have an environment name.
func Reserved(name string) bool { return someoneElses(name, name) != "" }

// someoneElses says whose an environment name is that a definition of the prefix
// cannot have; empty when it can.
func someoneElses(name, prefix string) string {
	for taken := range strings.FieldsSeq(platformPrefixes) {
		if strings.HasPrefix(name, taken) {
			return "OpenCTI's or enrichgate's: such names begin with " + taken
		}
	}
	plain := strings.TrimSuffix(name, "_FILE") // of a secret, that is read too
	if slices.Contains(strings.Fields(machineNames), plain) {
		return "the machine's, not the source's"
	}
	if !strings.HasPrefix(name, prefix) && slices.Contains(strings.Fields(othersKeys), plain) {
		return "the key of something else: begin it with " + prefix
	}
	return ""
}

// checkPrefix refuses a prefix under which names stand that are somebody else's.
func (c *compiler) checkPrefix() {
	prefix := c.def.Settings.Env + "_"
	if whose := someoneElses(prefix, prefix); whose != "" {
		c.fail([]string{"settings", "env"}, "%s is %s", c.def.Settings.Env, whose)
		return
	}
	for name := range strings.FieldsSeq(machineNames) {
		if strings.HasPrefix(name, prefix) {
			c.fail([]string{"settings", "env"}, "%s begins %s, which is the machine's, not the source's", prefix, name)
			return
		}
	}
}

// namer gives each name of a setting away once, in config.yml and in the
// environment.
type namer struct {
	*compiler
	keys, envs map[string]string // with what each is
}

// checkNames holds the names of secrets, parameters and aliases against those
// that every source has, against those of others, and against each other.
func (c *compiler) checkNames() {
	c.checkPrefix()
	env, _ := c.find([]string{"settings", "env"})
	c.lines = map[string]int{"": env.Line}
	n := &namer{c, map[string]string{}, map[string]string{}}
	prefix := c.def.Settings.Env + "_"
	for _, key := range c.builtIn() {
		n.keys[key], n.envs[prefix+strings.ToUpper(key)] = "a setting that every source has", "a setting that every source has"
	}
	s := c.def.Settings
	for _, name := range slices.Sorted(maps.Keys(s.Secrets)) {
		at := []string{"settings", "secrets", name}
		if n.key(name, "secret", at) {
			n.env(s.Secrets[name].Env, "a secret", append(at, "env"))
		}
		n.keys[name+"_file"], n.envs[s.Secrets[name].Env+"_FILE"] = "the file of a secret", "the file of a secret"
	}
	for _, name := range slices.Sorted(maps.Keys(s.Params)) {
		at := []string{"settings", "params", name}
		if n.key(name, "parameter", at) {
			n.env(s.param(name).Env, "a parameter", append(at, "env"))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Aliases)) {
		n.env(name, "an alias", []string{"settings", "aliases", name})
	}
}

// builtIn are the settings that the source has anyway, those of its lookups
// included.
func (c *compiler) builtIn() []string {
	all := BuiltIn()
	for _, l := range c.def.Lookups {
		id := strings.ReplaceAll(l.ID, ".", "_")
		all = append(all, "cost_"+id, "cache_ttl_"+id)
	}
	return all
}

// key takes a name in config.yml, and says whether it was free.
func (n *namer) key(name, what string, at []string) bool {
	if other := n.keys[name]; other != "" {
		n.fail(at, "a %s cannot be called %s: that is %s already", what, name, other)
		return false
	}
	n.keys[name] = "a " + what
	return true
}

// env takes a name in the environment.
func (n *namer) env(name, what string, at []string) {
	if whose := someoneElses(name, n.def.Settings.Env+"_"); whose != "" {
		n.fail(at, "%s is %s", name, whose)
		return
	}
	if other := n.envs[name]; other != "" {
		n.fail(at, "%s is %s already", name, other)
		return
	}
	n.envs[name] = what
	node, _ := n.find(at)
	n.lines[name] = node.Line
}

// Blame is a problem with one of the definition's names in the environment, at
// the line that gives it the name.
func (d *Definition) Blame(name, reason string) Problem {
	line, own := d.lines[name]
	if !own {
		line = d.lines[""] // made of the prefix
	}
	return Problem{File: d.Name() + "/source.yaml", Line: line, Reason: reason}
}

// checkQuota sees to it that the limits are of kinds of calls that there are.
func (c *compiler) checkQuota() {
	var buckets []string
	for _, l := range c.def.Lookups {
		buckets = append(buckets, l.Bucket)
	}
	for limit := range strings.SplitSeq(c.def.Settings.Quota, ",") {
		if bucket, _, of := strings.Cut(limit, ":"); of && !slices.Contains(buckets, bucket) {
			c.fail([]string{"settings", "quota"}, "%s: no lookup has the bucket %s", limit, bucket)
		}
	}
}
