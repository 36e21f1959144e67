// Package settings turns environment variables and config.yml into one typed,
// checked Settings, or into a list of everything that is wrong with them.
//
// One table (table.go) names every setting: its environment name, its place in
// config.yml, its default, whether it is secret, and what it means. Loading, the
// search for misspelt names, the two sample files and the README's table are all
// made from it.
//
// For each setting the first of these counts:
//
//  1. the environment variable NAME, or for a secret the file that NAME_FILE names
//  2. section.key of config.yml, or for a secret the file that section.key_file names
//  3. the default
//
// A variable that is set to nothing gives the default and hides config.yml, as
// with OpenCTI's own client; an empty NAME_FILE counts as not given. The file is
// the first of Options.ConfigPath, ENRICHGATE_CONFIG, config.yml in the working
// directory, and /etc/enrichgate/config.yml; the first two must exist.
//
// Load never stops at the first problem, never prints a secret, and never starts
// from a value that it could not read.
package settings
