package jdk.nashorn.api.scripting;

/** The JavaScript of Java 14 and before. Only a workflow that runs would need it; a push does not run any. */
public class NashornScriptEngineFactory
{
}
