//! The friend service: the shortest implementation of a provider.

use mprpc::{Context, Status};

use crate::proto::{FriendServiceRpc, GetFriendsListRequestView, GetFriendsListResponse, ResultCode};

/// The friend service.
#[derive(Debug, Default)]
pub struct Friends {
    /// Whether every account has the friends that the classic programs return.
    pub demo: bool,
}

/// Friends by account number.
const FRIENDS: [(u32, &[&str]); 3] =
    [(1, &["zhang san", "li si", "wang wu"]), (1000, &["cuism", "li si"]), (2000, &["cuism"])];

impl FriendServiceRpc for Friends {
    async fn get_friends_list(
        &self,
        _: &Context,
        request: GetFriendsListRequestView<'_>,
    ) -> Result<GetFriendsListResponse, Status> {
        let id = if self.demo { 1 } else { request.userid };
        let Some((_, friends)) = FRIENDS.iter().find(|(of, _)| *of == id) else {
            let errmsg = format!("no account has the number {id}").into();
            let result = ResultCode { errcode: 1, errmsg, ..Default::default() };
            return Ok(GetFriendsListResponse { result: result.into(), ..Default::default() });
        };
        let friends = friends.iter().map(|name| name.as_bytes().to_vec()).collect();
        Ok(GetFriendsListResponse { result: ResultCode::default().into(), friends, ..Default::default() })
    }
}
