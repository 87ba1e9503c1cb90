package io.digdag.standards;

import com.google.inject.Module;
import com.google.inject.multibindings.Multibinder;
import io.digdag.core.Extension;
import io.digdag.spi.CommandExecutor;
import io.digdag.spi.OperatorFactory;
import java.util.List;

/** No operators, and nothing to run commands with: a push reads the files of a project, and runs none of them. */
public class StandardsExtension implements Extension
{
    @Override
    public List<Module> getModules()
    {
        return List.of(binder -> {
            Multibinder.newSetBinder(binder, OperatorFactory.class);
            binder.bind(CommandExecutor.class).toInstance((project, task, command) -> {
                throw new UnsupportedOperationException();
            });
        });
    }
}
