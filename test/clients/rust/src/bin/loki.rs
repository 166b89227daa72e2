//! A line by tracing-loki: protobuf with snappy.
use tracing_loki::url::Url;
use tracing_subscriber::layer::SubscriberExt;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (layer, controller, task) = tracing_loki::builder()
        .label("app", "from-tracing-loki")?
        .build_controller_url(Url::parse("http://localhost:3100")?)?;
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer))?;
    tracing::warn!("no oolong left");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let sending = tokio::spawn(task);
        controller.shutdown().await;
        sending.await
    })?;
    Ok(())
}
