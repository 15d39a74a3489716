package main

// clusterKeyCmd is the command line of tidings cluster key.
type clusterKeyCmd struct {
	File string `arg:"" optional:"" default:"cluster.key" placeholder:"FILE" help:"Where to write the key; ${default} by default, - for standard output. An existing file is never overwritten."`
}

// Help is the manual.
func (*clusterKeyCmd) Help() string {
	return `
Makes the secret of a cluster: one line of 64 random characters. Only its owner can read the file. Copy it to all hubs of the cluster, and to
nobody else: a hub with the secret may join. It is not a key for tokens.

Hubs with different secrets do not connect. To change the secret, stop all hubs, then start them with the new one.

Examples:

    tidings cluster key cluster.key
    tidings serve --cluster-peers a,b,c --cluster-key-file cluster.key`
}

// Run is called by kong.
func (c *clusterKeyCmd) Run(std stdio) error {
	return makeSecret(c.File, std, "copy it to all hubs, next: tidings serve --cluster-peers a,b,c --cluster-key-file "+c.File)
}
