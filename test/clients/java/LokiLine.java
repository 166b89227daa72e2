import org.slf4j.LoggerFactory;

/** A line by Loki4j, set up in logback.xml. */
class LokiLine {
  public static void main(String[] arguments) {
    LoggerFactory.getLogger("tea").warn("no oolong left");
  }
}
