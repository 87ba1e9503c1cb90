package io.digdag.server;

/** Stands in the signatures of the command `server`, which nobody calls here. */
public class ServerBootstrap
{
}
