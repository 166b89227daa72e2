import io.micrometer.core.instrument.Clock;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.Timer;
import io.micrometer.registry.otlp.OtlpConfig;
import io.micrometer.registry.otlp.OtlpMeterRegistry;
import java.time.Duration;

/** A counter and a timer by Micrometer's registry for OTLP, with its defaults. */
class Meters {
  public static void main(String[] arguments) {
    var registry = new OtlpMeterRegistry(OtlpConfig.DEFAULT, Clock.SYSTEM);
    Counter.builder("tea.cups.poured").baseUnit("{cup}").tag("tea.kind", "oolong").register(registry).increment(3);
    Timer.builder("tea.pour.duration").tag("tea.kind", "oolong").register(registry).record(Duration.ofMillis(200));
    registry.close();
  }
}
