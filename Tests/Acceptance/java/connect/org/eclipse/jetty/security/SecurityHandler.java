package org.eclipse.jetty.security;

import org.eclipse.jetty.server.Handler;

/**
 * Lets the stock Connect worker start its REST server from the wheel's jars, which have jetty-ee10-servlet 12 but not
 * the jetty-security 12 that it names: its servlet context loads this class, and makes no object of it, as the worker
 * asks for no security.
 */
public abstract class SecurityHandler extends Handler.Wrapper {
}
