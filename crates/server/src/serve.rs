//! Listeners and connections: start, accept, drain, stop.

use std::{
    convert::Infallible,
    fs, io,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{Router, body::Body};
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use runtime::AppRuntime as _;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener},
    sync::Semaphore,
    task::JoinHandle,
};
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use crate::{
    Config, Context, Peer,
    actions::{
        api_keys,
        housekeeping::keep_house,
        publish::{boot, recover},
        signing_keys::keep_tended,
    },
    clock::Clock,
    config::AdminListen,
    feed,
    hosting::Hosting,
    keys::KeyError,
    mail, metrics, routes,
    shares::{Share, Shares},
};

/// A client that has not sent a whole request head after this long is cut off, idle connections included.
const HEAD_TIMEOUT: Duration = Duration::from_mins(1);
/// How long apps may finish once nobody can reach them any more.
const APP_GRACE: Duration = Duration::from_secs(5);
/// How long the Redis bus may take to let go.
const BUS_GRACE: Duration = Duration::from_secs(2);
/// Connections open at once on one listener; further ones wait in the kernel's queue.
const CONNECTIONS: usize = 8192;
/// How many of them may come from one address; proxies that are trusted speak for many.
const CONNECTIONS_EACH: usize = CONNECTIONS / 4;

/// Why the server could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address could not be listened on.
    #[error(
        "could not listen on {address} (choose another address with --listen or in the configuration)"
    )]
    Listen {
        /// The address or path.
        address: String,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// The data directory could not be made.
    #[error("could not make the data directory {path}")]
    DataDirectory {
        /// The directory.
        path: String,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// The database could not be opened.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// Apps cannot be run here.
    #[error(transparent)]
    Runtime(#[from] runtime::RuntimeError),
    /// Another server works on the data directory.
    #[error(
        "another server is running on {path}; stop it first, or choose another with --data-dir"
    )]
    InUse {
        /// The directory.
        path: String,
    },
    /// Requests to other servers cannot be made.
    #[error("could not prepare requests to outside providers of identities")]
    Outside(#[source] reqwest::Error),
    /// There is no master key.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// A running server.
pub struct Server {
    context: Context,
    public_address: SocketAddr,
    admin_address: Option<SocketAddr>,
    data_socket: PathBuf,
    connections: TaskTracker,
    booting: Mutex<Option<JoinHandle<()>>>,
    bus: Option<JoinHandle<()>>,
    // Kept while the server runs: the directory of a socket whose path would be too long in the data directory.
    _short_run_directory: Option<tempfile::TempDir>,
    // Held while the server runs, however it ends.
    _lock: fs::File,
}

/// Runs the server until it is told to stop (SIGINT or SIGTERM), then drains it.
pub async fn run(config: Config) -> Result<(), StartError> {
    let server = Server::start(config).await?;
    server.stopped().await;
    server.stop().await;
    Ok(())
}

impl Server {
    /// Starts a server and returns once it answers.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        Self::start_at(config, Clock::system()).await
    }

    /// Starts a server that lives by the given clock.
    pub async fn start_at(mut config: Config, clock: Clock) -> Result<Self, StartError> {
        metrics::install();
        let lock = lock(&config)?;
        let public = listen(config.server.listen).await?;
        let public_address = local_address(&public)?;
        config.settle_port(public_address.port());
        let admin = listen_admin(&config).await?;
        let admin_address = admin.as_ref().map(local_address).transpose()?;
        let (data_socket, short_run_directory) = data_socket_path(&config)?;
        let data = listen_unix(&data_socket)?;

        let context = Context::open(config, clock).await?;
        context.host(Hosting::start(&context.config, data_socket.clone())?);
        recover(&context).await?;
        let seen = context.storage.latest_event_seq().await?;
        context.caches.applied_until(seen);
        context.open_feed(seen).await?;
        tokio::spawn(
            context
                .clone()
                .follow_events(context.storage.tail_after(seen)),
        );
        tokio::spawn(context.clone().watch_currency());
        tokio::spawn(metrics::keep_summed(context.stopping.clone()));
        let bus = context
            .config
            .redis
            .url
            .as_ref()
            .map(|url| tokio::spawn(feed::bus::publish(context.clone(), url.client())));
        let connections = TaskTracker::new();
        let serve = |router| Serving {
            router,
            context: context.clone(),
            connections: connections.clone(),
        };
        connections.spawn(serve(routes::public(&context)).tcp(public));
        connections.spawn(serve(routes::data(&context)).unix(data));
        if let Some(admin) = admin {
            connections.spawn(serve(routes::admin(&context)).tcp(admin));
        }
        let booting = tokio::spawn({
            let context = context.clone();
            async move { boot(&context).await }
        });
        tokio::spawn(keep_house(context.clone()));
        tokio::spawn(keep_tended(context.clone()));
        tokio::spawn(api_keys::keep_flushed(context.clone()));
        tokio::spawn(mail::deliver(context.clone()));
        tracing::info!(address = %public_address, admin = ?admin_address, "listening");
        Ok(Self {
            context,
            public_address,
            admin_address,
            data_socket,
            connections,
            booting: Mutex::new(Some(booting)),
            bus,
            _short_run_directory: short_run_directory,
            _lock: lock,
        })
    }

    /// What the server's use cases share.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Where pages, APIs and apps are served.
    pub fn public_address(&self) -> SocketAddr {
        self.public_address
    }

    /// Where metrics and health are served.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_address
    }

    /// The Unix socket of the key-value store.
    pub fn data_socket(&self) -> &std::path::Path {
        &self.data_socket
    }

    /// Waits until every app that was live when the server last ended is back, or has failed to come back.
    pub async fn booted(&self) {
        let booting = self
            .booting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(Err(error)) = match booting {
            Some(booting) => Some(booting.await),
            None => None,
        } {
            tracing::error!(%error, "bringing the apps back was cut off");
        }
    }

    /// Waits until the process is told to stop (SIGINT or SIGTERM).
    pub async fn stopped(&self) {
        shutdown_signal().await;
    }

    /// Stops accepting, lets open requests finish for as long as configured, then stops what is left.
    pub async fn stop(self) {
        self.context.stopping.cancel();
        self.connections.close();
        let drain = self.context.config.server.drain.duration();
        if tokio::time::timeout(drain, self.connections.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                open = self.connections.len(),
                "stopping although requests are open"
            );
        }
        // Only now: an open request may still be on its way through an app.
        self.context.hosting().runtime.shut_down(APP_GRACE).await;
        drop(fs::remove_file(&self.data_socket));
        api_keys::flush(&self.context).await;
        if let Some(bus) = self.bus {
            // It notes how far it came, and lets another server go on.
            drop(tokio::time::timeout(BUS_GRACE, bus).await);
        }
        self.context.storage.close().await;
    }
}

/// One listener's routes and what its connections share.
struct Serving {
    router: Router,
    context: Context,
    connections: TaskTracker,
}

impl Serving {
    async fn tcp(self, listener: TcpListener) {
        let slots = Arc::new(Semaphore::new(CONNECTIONS));
        let shares = Shares::new(CONNECTIONS_EACH);
        let proxies = &self.context.config.server.trusted_proxies;
        while let Some(slot) = self.slot(&slots).await {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = self.context.stopping.cancelled() => break,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let share = shares.take(peer.ip());
                    if share.is_none() && !proxies.contains(peer.ip()) {
                        ::metrics::counter!("connections_refused_total").increment(1);
                        continue;
                    }
                    drop(stream.set_nodelay(true));
                    self.connection(stream, Peer::Address(peer), (slot, share));
                }
                Err(error) => accept_failed(&error).await,
            }
        }
    }

    async fn unix(self, listener: UnixListener) {
        let slots = Arc::new(Semaphore::new(CONNECTIONS));
        while let Some(slot) = self.slot(&slots).await {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = self.context.stopping.cancelled() => break,
            };
            match accepted {
                Ok((stream, _)) => self.connection(stream, Peer::Local, (slot, None)),
                Err(error) => accept_failed(&error).await,
            }
        }
    }

    async fn slot(&self, slots: &Arc<Semaphore>) -> Option<tokio::sync::OwnedSemaphorePermit> {
        tokio::select! {
            slot = slots.clone().acquire_owned() => slot.ok(),
            () = self.context.stopping.cancelled() => None,
        }
    }

    fn connection(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        peer: Peer,
        place: (tokio::sync::OwnedSemaphorePermit, Option<Share>),
    ) {
        let router = self.router.clone();
        let context = self.context.clone();
        let answer = move |mut request: http::Request<Incoming>| {
            let trusted = &context.config.server.trusted_proxies;
            let peer = peer.behind(trusted, request.headers());
            request.extensions_mut().insert(peer);
            let router = router.clone();
            async move {
                Ok::<_, Infallible>(
                    router
                        .oneshot(request.map(Body::new))
                        .await
                        .unwrap_or_else(|e| match e {}),
                )
            }
        };
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .serve_connection(TokioIo::new(stream), hyper::service::service_fn(answer))
            .with_upgrades();
        let stopping = self.context.stopping.clone();
        self.connections.spawn(async move {
            let _place = place;
            tokio::pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = stopping.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "connection ended early");
            }
        });
    }
}

/// Out of file descriptors, most likely: wait for some to be closed instead of spinning.
async fn accept_failed(error: &io::Error) {
    tracing::warn!(%error, "could not accept a connection");
    tokio::time::sleep(Duration::from_millis(100)).await;
}

/// Keeps other servers off the data directory: two would take each other's sockets and apps away.
fn lock(config: &Config) -> Result<fs::File, StartError> {
    let folder = &config.server.data_dir;
    let path = folder.display().to_string();
    let failed = |cause| StartError::DataDirectory {
        path: path.clone(),
        cause,
    };
    fs::create_dir_all(folder).map_err(failed)?;
    let file = fs::File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(folder.join("server.lock"))
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(StartError::InUse { path }),
        Err(fs::TryLockError::Error(cause)) => Err(failed(cause)),
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address)
        .await
        .map_err(|cause| StartError::Listen {
            address: address.to_string(),
            cause,
        })
}

/// Listens for metrics and health; when nobody chose the address and it is taken, any free port will do.
async fn listen_admin(config: &Config) -> Result<Option<TcpListener>, StartError> {
    let AdminListen::At(address) = config.server.admin_listen else {
        return Ok(None);
    };
    match listen(address).await {
        Err(StartError::Listen { cause, .. })
            if cause.kind() == io::ErrorKind::AddrInUse && !config.admin_listen_is_explicit =>
        {
            let free = listen(SocketAddr::new(address.ip(), 0)).await?;
            tracing::info!(wanted = %address, used = %local_address(&free)?, "the default admin port is taken");
            Ok(Some(free))
        }
        result => result.map(Some),
    }
}

fn local_address(listener: &TcpListener) -> Result<SocketAddr, StartError> {
    listener.local_addr().map_err(|cause| StartError::Listen {
        address: "(bound)".into(),
        cause,
    })
}

/// `run/data.sock` in the data directory, or in a short temporary one: a socket's path holds about 100 bytes.
fn data_socket_path(config: &Config) -> Result<(PathBuf, Option<tempfile::TempDir>), StartError> {
    let failed = |cause| StartError::DataDirectory {
        path: "run".into(),
        cause,
    };
    let data_dir = std::path::absolute(&config.server.data_dir).map_err(failed)?;
    let usual = data_dir.join("run").join("data.sock");
    if usual.as_os_str().len() < 100 {
        fs::create_dir_all(data_dir.join("run")).map_err(failed)?;
        return Ok((usual, None));
    }
    let directory = tempfile::Builder::new()
        .prefix("vst-")
        .tempdir_in("/tmp")
        .map_err(failed)?;
    Ok((directory.path().join("data.sock"), Some(directory)))
}

fn listen_unix(path: &std::path::Path) -> Result<UnixListener, StartError> {
    use std::os::unix::fs::PermissionsExt as _;
    let failed = |cause| StartError::Listen {
        address: path.display().to_string(),
        cause,
    };
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    // Sandboxed apps run as other users; every request on this socket proves itself by its app key.
    fs::set_permissions(path, fs::Permissions::from_mode(0o666)).map_err(failed)?;
    Ok(listener)
}

async fn shutdown_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).expect("a signal handler can be set");
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
