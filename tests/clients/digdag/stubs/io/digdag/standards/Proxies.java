package io.digdag.standards;

import com.google.common.base.Optional;
import java.util.Map;

/** Asked for the proxy of the environment: there is none on the way to a server on this machine. */
public class Proxies
{
    public static Optional<?> proxyConfigFromEnv(String scheme, Map<String, String> env)
    {
        return Optional.absent();
    }
}
